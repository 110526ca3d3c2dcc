"""Cost Explorer and Budgets, computed from what exists in the cloud while it runs.

``metering`` says what is used, ``prices`` what that costs, ``ledger`` keeps it by hour, ``component`` does so every few
seconds and takes a scenario's invented history. ``explorer`` and ``budgets`` answer AWS's operations from the ledger.
Reservations, savings plans, credits, tax, cost categories and the free tier don't exist here.
"""

from localcloud.services.costs import budgets, explorer
from localcloud.services.costs.component import Costs

__all__ = ["Costs", "budgets", "explorer"]

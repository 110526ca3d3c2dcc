"""Cost Explorer and Budgets, computed from what exists in the cloud while it runs.

``metering`` says what is used, ``prices`` what that costs, ``ledger`` keeps it by hour, ``component`` does so every few
seconds and takes a scenario's invented history. ``api_explorer`` and ``api_budgets`` answer AWS's operations from it.
Reservations, savings plans, credits, tax, cost categories and the free tier don't exist here.
"""

from localcloud.services.costs import api_budgets, api_explorer
from localcloud.services.costs.component import Costs

__all__ = ["Costs", "api_budgets", "api_explorer"]

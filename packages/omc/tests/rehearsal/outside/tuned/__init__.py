"""Stories that the authors of the checks knew: a module a part of the stack."""

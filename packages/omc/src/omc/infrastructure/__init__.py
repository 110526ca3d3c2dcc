"""The stack's Terraform as omc works with it: where it is, what it is given, and plan files.

What a plan means is judged in ``omc.procedures``; Terraform itself is run by ``omc.terraform``.
"""

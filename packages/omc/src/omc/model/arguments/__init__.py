"""What an action is given: a frozen dataclass for each, in a module per AWS service. Planners make them, actions take
them, and a plan keeps them as JSON, so neither planners nor actions need know the other."""

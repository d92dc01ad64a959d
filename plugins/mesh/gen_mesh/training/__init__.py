"""How the shipped models were trained and are measured: data, recipes, judges."""

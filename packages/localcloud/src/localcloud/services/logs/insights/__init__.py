"""The query language of CloudWatch Logs Insights: parsed (``syntax``) and translated to DuckDB's SQL (``translate``).

Pure: text in, SQL out. Running it is the worker's business, states and results are ``queries``'.
"""

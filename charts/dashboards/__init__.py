"""Grafana's dashboards as code, for the chart.

A panel shows what an operator would ask; its description says what it means and what to do.
"""

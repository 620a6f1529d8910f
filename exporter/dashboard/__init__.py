"""The dashboard: one self-contained HTML page over the reports.

`figures.read` runs the reports, `page.render` makes the page of their results. No figure is
worked out in here: every amount, rate and total on the page is a value of a report, under which
stands the command that prints the same.
"""

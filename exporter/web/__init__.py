"""Pages for people, made from templates; the dashboard is their static form.

Data travels one way. `figures` reads all figures over one connection: `cells` for the costs, and
the reports for advice and idle pools. `view` says what a selection of the cells means. `page` fills
the templates with a view, and with the `payload` for the page's script, `dashboard.js`. It has the
rules of `view`, so that filters work in the file itself. Every figure is one of a report, and the
page names the commands that print the same.
"""

"""Pages for people, made from templates; the dashboard is their static form.

Data travels one way. `figures` runs the reports. `overview` and `sections` choose what to show, as
plain data and as `charts`. `page` fills the templates, which print tables with the filters of
`tables`. Every figure on the page comes from a report, and the page names the commands that print
the same figures.
"""

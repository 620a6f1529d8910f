"""Pages for people, made from templates; the dashboard is their static form.

Data travels one way. `figures` runs the reports. `overview` and `sections` choose what to show,
as plain data made with `charts` and `tables`. `page` fills the templates. Every figure on the page
comes from a report, and the page names the commands that print the same figures.
"""

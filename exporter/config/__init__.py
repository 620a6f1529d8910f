"""The configuration, each thing in one place.

kinds    what a value must be, and how it is read and written
options  how a field of a model is declared as an option and a key
model    what to sync and how, and what reports see
labels   families and teams
sources  which accounts and regions a sync reads
file     sagemaker-exporter.toml, read against the models and the commands
template a commented file that names every key
stored   the part that the database keeps
"""

"""ListTrainingJobs, answered from the database: to Python code, on the command line, over HTTP.

One listing (:mod:`exporter.store.listing`) behind one protocol front (:mod:`exporter.wire`). A
boto3 client that never opens a connection (:mod:`exporter.replica.inprocess`) and a server for
any AWS SDK (:mod:`exporter.replica.server`) ask the same lister; what differs is where the rows
come from (:mod:`exporter.replica.sources`): the file, opened for the length of a call, or a copy
in memory. What is promised, and what differs from the service: docs/list-training-jobs.md.
"""

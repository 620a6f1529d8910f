"""Answer ListTrainingJobs from the database: to Python code, on the command line, over HTTP.

All three use one listing (`exporter.store.listing`). A boto3 client that never opens a
connection (`exporter.replica.inprocess`) and a server for any AWS SDK (`exporter.replica.server`)
use one protocol front (`exporter.wire`) and one lister. The rows come from the file, opened for
the length of a call, or from a copy in memory (`exporter.replica.sources`).

docs/list-training-jobs.md has the promises, and the differences from the service. The modules,
each of which imports only those above it:

    pages, scopes, signature    kept pages; the scope of a request; who signed it
    sources, summaries          where rows come from; from a row to a TrainingJobSummary
    lister                      a request in, pages out
    found, inprocess, server    the command line; the boto3 client; HTTP
"""

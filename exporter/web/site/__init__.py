"""The pages of `web`: jobs, a job, reports and SQL, from a database that syncs write to.

`server` starts and stops it and decides who may read. `pages` answers requests. `table` finds jobs,
`timeline` draws them. Nothing here writes to the database or calls AWS.
"""

-- Which jobs ran on which pool: one row for each job that left or took over a warm pool.
--
-- chain: Row number of the first job in training_jobs: valid within one query only
-- job_id: Row number of the job in training_jobs
-- position: 1 for the first job, 2 for the job that took its pool over, …
WITH RECURSIVE
-- One row per job.
pool_job AS NOT MATERIALIZED (
    SELECT rowid AS job_id, *, TRUE AS may_be_first
    FROM main.training_jobs
),

/*part pool_links*/,

/*part pool_members*/

SELECT chain, job_id, position
FROM pool_member

-- How fresh each scope is: the server time up to which its data is known to be complete. Scopes
-- that `db forget` retired have no row.
--
-- account_id: AWS account
-- account_name: Name of the account in the configuration; NULL = none
-- region: AWS region
-- data_as_of: Server time up to which everything is known; NULL = never listed completely
-- discovered_from: Creation time from which jobs were listed; NULL = from the first job
-- discovered_to: Creation time up to which jobs were listed
-- last_complete_at: Server time at which the last complete sync ended
-- last_error: What stopped the last run of the scope; NULL = the run was complete
SELECT
    scope.account_id, accounts.account_name, scope.region,
    scope.watermark AS data_as_of,
    scope.discovered_from, scope.discovered_to, scope.last_complete_at, scope.last_error
FROM sync_scopes AS scope
LEFT JOIN accounts ON scope.account_id = accounts.account_id
WHERE scope.retired_at IS NULL

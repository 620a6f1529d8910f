-- How fresh each scope is: the server time up to which its data is known to be complete.
--
-- account_id: AWS account
-- account_name: Its name by the configuration; NULL = none given
-- region: AWS region
-- data_as_of: Server time up to which everything is known; NULL = never read to the end
-- discovered_from: Creation time from which on jobs were listed; NULL = from the first
-- discovered_to: Creation time up to which jobs were listed
-- last_complete_at: Server time at which the last complete sync ended
-- last_error: What stopped the last run of the scope; NULL = it was complete
SELECT
    scope.account_id,
    accounts.account_name,
    scope.region,
    scope.watermark AS data_as_of,
    scope.discovered_from,
    scope.discovered_to,
    scope.last_complete_at,
    scope.last_error
FROM sync_scopes AS scope
LEFT JOIN accounts ON scope.account_id = accounts.account_id

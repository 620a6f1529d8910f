-- Everything that SageMaker compares before a job takes a waiting pool, as readable text. In one
-- account and region, jobs share pools if and only if this text is equal: names and families play
-- no part. NULL = the job can neither leave nor take a pool. The stored lists are sorted, because
-- their order means nothing. (Developer guide, "Managed Warm Pools", Matching training jobs)
-- No colon stands before a word here: in a report, it would be a parameter.
CASE
    WHEN
        detail.instance_type IS NOT NULL
        AND NOT coalesce(detail.managed_spot, FALSE)
        AND NOT coalesce(detail.serverless, FALSE)
        THEN detail.instance_type
            || ' × ' || coalesce(CAST(detail.instance_count AS VARCHAR), '?')
            || ' · role ' || coalesce(regexp_replace(detail.role_arn, '^arn:[^/]*role/', ''), '?')
            || ' · ' || coalesce(CAST(detail.volume_size_gb AS VARCHAR), '?') || ' GB'
            || coalesce(
                ' · key ' || regexp_replace(detail.volume_kms_key_id, '^arn:.*:(key/)?', ''), ''
            )
            || CASE
                WHEN detail.subnets IS NULL AND detail.security_group_ids IS NULL THEN ''
                ELSE ' · network ' || left(
                    md5(
                        concat_ws(
                            ' ',
                            CAST(detail.subnets AS VARCHAR),
                            CAST(detail.security_group_ids AS VARCHAR)
                        )
                    ),
                    8
                )
            END
            || CASE WHEN detail.encrypt_traffic THEN ' · encrypted traffic' ELSE '' END
            || CASE WHEN detail.network_isolation THEN ' · isolated' ELSE '' END
END

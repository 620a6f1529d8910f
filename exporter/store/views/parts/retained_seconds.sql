-- Negative seconds, and more than 32 bits, are not known: no absurd figure may fail a report.
CASE
    WHEN warm_pool_retained_seconds BETWEEN 0 AND 2147483647 THEN warm_pool_retained_seconds
END

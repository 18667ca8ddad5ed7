//! Settings that clients send and that change nothing here: hints to a planner and a disk that are not ours, which
//! no result depends on. What would promise something is not among them: a value that would is refused
//! (`session_replication_role = replica` would keep triggers from firing).

use crate::settings::{Kind, SettingInfo, setting, superusers};

pub const TAKEN: &[SettingInfo] = &[
    setting(
        "constraint_exclusion",
        "partition",
        Kind::Enum(&["partition", "on", "off"]),
        "Enables the planner to use constraints to optimize queries.",
    ),
    superusers("deadlock_timeout", "1s", Kind::Milliseconds, "A deadlock is found at once here."),
    setting(
        "default_statistics_target",
        "100",
        Kind::Integer { min: 1, max: 10_000 },
        "Sets the default statistics target.",
    ),
    setting(
        "default_text_search_config",
        "pg_catalog.simple",
        Kind::Text,
        "Sets default text search configuration.",
    ),
    setting(
        "default_transaction_deferrable",
        "off",
        Kind::Bool,
        "Sets the default deferrable status of new transactions.",
    ),
    setting(
        "effective_cache_size",
        "4GB",
        Kind::Kilobytes { min: 8, unit: 8 },
        "Sets the planner's assumption about the total size of the data caches.",
    ),
    setting(
        "enable_async_append",
        "on",
        Kind::Bool,
        "Enables the planner's use of async append plans.",
    ),
    setting(
        "enable_bitmapscan",
        "on",
        Kind::Bool,
        "Enables the planner's use of bitmap-scan plans.",
    ),
    setting(
        "enable_gathermerge",
        "on",
        Kind::Bool,
        "Enables the planner's use of gather merge plans.",
    ),
    setting(
        "enable_hashagg",
        "on",
        Kind::Bool,
        "Enables the planner's use of hashed aggregation plans.",
    ),
    setting("enable_hashjoin", "on", Kind::Bool, "Enables the planner's use of hash join plans."),
    setting(
        "enable_incremental_sort",
        "on",
        Kind::Bool,
        "Enables the planner's use of incremental sort steps.",
    ),
    setting(
        "enable_indexonlyscan",
        "on",
        Kind::Bool,
        "Enables the planner's use of index-only-scan plans.",
    ),
    setting(
        "enable_indexscan",
        "on",
        Kind::Bool,
        "Enables the planner's use of index-scan plans.",
    ),
    setting("enable_material", "on", Kind::Bool, "Enables the planner's use of materialization."),
    setting("enable_memoize", "on", Kind::Bool, "Enables the planner's use of memoization."),
    setting(
        "enable_mergejoin",
        "on",
        Kind::Bool,
        "Enables the planner's use of merge join plans.",
    ),
    setting(
        "enable_nestloop",
        "on",
        Kind::Bool,
        "Enables the planner's use of nested-loop join plans.",
    ),
    setting(
        "enable_parallel_append",
        "on",
        Kind::Bool,
        "Enables the planner's use of parallel append plans.",
    ),
    setting(
        "enable_parallel_hash",
        "on",
        Kind::Bool,
        "Enables the planner's use of parallel hash plans.",
    ),
    setting(
        "enable_partition_pruning",
        "on",
        Kind::Bool,
        "Enables plan-time and execution-time partition pruning.",
    ),
    setting(
        "enable_partitionwise_aggregate",
        "off",
        Kind::Bool,
        "Enables partitionwise aggregation and grouping.",
    ),
    setting("enable_partitionwise_join", "off", Kind::Bool, "Enables partitionwise join."),
    setting(
        "enable_seqscan",
        "on",
        Kind::Bool,
        "Enables the planner's use of sequential-scan plans.",
    ),
    setting("enable_sort", "on", Kind::Bool, "Enables the planner's use of explicit sort steps."),
    setting("enable_tidscan", "on", Kind::Bool, "Enables the planner's use of TID scan plans."),
    setting(
        "escape_string_warning",
        "on",
        Kind::Bool,
        "Warn about backslash escapes in ordinary string literals.",
    ),
    setting(
        "from_collapse_limit",
        "8",
        Kind::Integer {
            min: 1,
            max: 2_147_483_647,
        },
        "Sets the FROM-list size beyond which subqueries are not collapsed.",
    ),
    setting("geqo", "on", Kind::Bool, "Enables genetic query optimization."),
    setting(
        "join_collapse_limit",
        "8",
        Kind::Integer {
            min: 1,
            max: 2_147_483_647,
        },
        "Sets the FROM-list size beyond which JOIN constructs are not flattened.",
    ),
    setting(
        "maintenance_work_mem",
        "64MB",
        Kind::Kilobytes { min: 1024, unit: 1 },
        "Sets the maximum memory to be used for maintenance operations.",
    ),
    setting(
        "max_parallel_workers_per_gather",
        "2",
        Kind::Integer { min: 0, max: 1024 },
        "Sets the maximum number of parallel processes per executor node.",
    ),
    setting(
        "password_encryption",
        "scram-sha-256",
        Kind::Enum(&["scram-sha-256"]),
        "Chooses the algorithm for encrypting passwords.",
    ),
    setting(
        "plan_cache_mode",
        "auto",
        Kind::Enum(&["auto", "force_generic_plan", "force_custom_plan"]),
        "Controls the planner's selection of custom or generic plan.",
    ),
    superusers(
        "session_replication_role",
        "origin",
        Kind::Enum(&["origin"]),
        "Sets the session's behavior for triggers and rewrite rules.",
    ),
    setting(
        "synchronous_commit",
        "on",
        Kind::Enum(&["local", "remote_write", "remote_apply", "on", "off"]),
        "A commit is durable when it is reported, whatever this says.",
    ),
    setting(
        "temp_buffers",
        "8MB",
        Kind::Kilobytes { min: 800, unit: 8 },
        "Sets the maximum number of temporary buffers used by each session.",
    ),
    setting(
        "work_mem",
        "4MB",
        Kind::Kilobytes { min: 64, unit: 1 },
        "Sets the maximum memory to be used for query workspaces.",
    ),
];

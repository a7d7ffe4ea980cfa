//! The table of the keys of `config.toml`. `schemas/config.schema.json` says the same; a
//! test compares them.

use super::PROFILES;
use super::ask::SYNTHESES;
use super::rules::{Key, Rule};
use super::store::check_schema;
use super::values::{
    check_address, check_command, check_folder, check_host, check_ip, check_model, check_origin,
    check_predicate, check_prefix, check_time_zone, check_update_url, check_url, check_variable,
};
use crate::limits::{
    DATABASE_CONNECTIONS_MAX, DATABASE_STATEMENT_SECONDS_MAX, HTTP_BODY_MB_MAX,
    HTTP_BODY_TOTAL_MB_MAX, HTTP_CONNECTIONS_MAX, HTTP_SESSION_IDLE_MINUTES_MAX, HTTP_SESSIONS_MAX,
    KEY_AT_ONCE_MAX, KEY_REQUESTS_PER_MINUTE_MAX, RETENTION_ACTIVE_MAX, RETENTION_DAYS_MAX,
};

const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];
const FIRST_SIGHT_VALUES: &[&str] = &["approve", "ask"];

/// Every key there is.
pub(super) const KEYS: &[Key] = &[
    Key {
        path: "project",
        rule: Rule::Project(|to| &mut to.project),
    },
    Key {
        path: "profile",
        rule: Rule::OneOf(&PROFILES, |to| &mut to.profile),
    },
    Key {
        path: "time_zone",
        rule: Rule::Text(check_time_zone, "\"Europe/Berlin\"", |to| &mut to.time_zone),
    },
    Key {
        path: "fence",
        rule: Rule::Switch(|to| &mut to.fence),
    },
    Key {
        path: "log.level",
        rule: Rule::OneOf(LEVELS, |to| &mut to.log_level),
    },
    Key {
        path: "memory.similar_threshold",
        rule: Rule::Between(0.0, 1.0, |to| &mut to.similar_threshold),
    },
    Key {
        path: "memory.refuse_credentials",
        rule: Rule::Switch(|to| &mut to.memory.refuse_credentials),
    },
    Key {
        path: "memory.weights.keyword",
        rule: Rule::Between(0.0, 1.0, |to| &mut to.keyword_weight),
    },
    Key {
        path: "memory.weights.semantic",
        rule: Rule::Between(0.0, 1.0, |to| &mut to.semantic_weight),
    },
    Key {
        path: "memory.weights.neighbour_1",
        rule: Rule::Between(0.0, 1.0, |to| &mut to.neighbour_weights[0]),
    },
    Key {
        path: "memory.weights.neighbour_2",
        rule: Rule::Between(0.0, 1.0, |to| &mut to.neighbour_weights[1]),
    },
    Key {
        path: "memory.retention.enabled",
        rule: Rule::Switch(|to| &mut to.memory.retention.enabled),
    },
    Key {
        path: "memory.retention.idle_days",
        rule: Rule::Whole(1, RETENTION_DAYS_MAX, |to| {
            &mut to.memory.retention.idle_days
        }),
    },
    Key {
        path: "memory.retention.idle_importance",
        rule: Rule::Between(0.0, 1.0, |to| &mut to.retention.idle_importance),
    },
    Key {
        path: "memory.retention.minor_days",
        rule: Rule::Whole(1, RETENTION_DAYS_MAX, |to| {
            &mut to.memory.retention.minor_days
        }),
    },
    Key {
        path: "memory.retention.minor_importance",
        rule: Rule::Between(0.0, 1.0, |to| &mut to.retention.minor_importance),
    },
    Key {
        path: "memory.retention.active_max",
        rule: Rule::Whole(1, RETENTION_ACTIVE_MAX, |to| {
            &mut to.memory.retention.active_max
        }),
    },
    Key {
        path: "memory.retention.restore_days",
        rule: Rule::Whole(1, RETENTION_DAYS_MAX, |to| {
            &mut to.memory.retention.restore_days
        }),
    },
    Key {
        path: "graph.functional",
        rule: Rule::Texts(check_predicate, "[\"works_at\"]", |to| {
            &mut to.graph.functional
        }),
    },
    Key {
        path: "ask.synthesis",
        rule: Rule::OneOf(SYNTHESES, |to| &mut to.ask.synthesis),
    },
    Key {
        path: "ask.endpoint.url",
        rule: Rule::Text(check_url, "\"http://127.0.0.1:11434/v1\"", |to| {
            &mut to.ask.endpoint.url
        }),
    },
    Key {
        path: "ask.endpoint.model",
        rule: Rule::Text(check_model, "\"qwen3:8b\"", |to| &mut to.ask.endpoint.model),
    },
    Key {
        path: "ask.endpoint.key_variable",
        rule: Rule::Text(check_variable, "\"OPENAI_API_KEY\"", |to| {
            &mut to.ask.endpoint.key_variable
        }),
    },
    Key {
        path: "ask.endpoint.plain_http",
        rule: Rule::Switch(|to| &mut to.ask.endpoint.plain_http),
    },
    Key {
        path: "embedding.url",
        rule: Rule::Text(check_url, "\"http://127.0.0.1:11434/v1\"", |to| {
            &mut to.embedding.endpoint.url
        }),
    },
    Key {
        path: "embedding.model",
        rule: Rule::Text(check_model, "\"nomic-embed-text\"", |to| {
            &mut to.embedding.endpoint.model
        }),
    },
    Key {
        path: "embedding.key_variable",
        rule: Rule::Text(check_variable, "\"OPENAI_API_KEY\"", |to| {
            &mut to.embedding.endpoint.key_variable
        }),
    },
    Key {
        path: "embedding.plain_http",
        rule: Rule::Switch(|to| &mut to.embedding.endpoint.plain_http),
    },
    Key {
        path: "embedding.document_prefix",
        rule: Rule::Text(check_prefix, "\"search_document: \"", |to| {
            &mut to.embedding.document_prefix
        }),
    },
    Key {
        path: "embedding.query_prefix",
        rule: Rule::Text(check_prefix, "\"search_query: \"", |to| {
            &mut to.embedding.query_prefix
        }),
    },
    Key {
        path: "embedding.installed",
        rule: Rule::Text(check_model, "\"multilingual-e5-small\"", |to| {
            &mut to.embedding.installed
        }),
    },
    Key {
        path: "skills.commands",
        rule: Rule::Texts(check_command, "[\"npx\", \"uvx\"]", |to| {
            &mut to.skills.commands
        }),
    },
    Key {
        path: "skills.path",
        rule: Rule::Texts(check_folder, "[\"/opt/node/bin\"]", |to| {
            &mut to.skills.path
        }),
    },
    Key {
        path: "skills.secrets",
        rule: Rule::Texts(check_variable, "[\"GITHUB_TOKEN\"]", |to| {
            &mut to.skills.secrets
        }),
    },
    Key {
        path: "skills.strict",
        rule: Rule::Switch(|to| &mut to.skills.strict),
    },
    Key {
        path: "http.listen",
        rule: Rule::Text(check_address, "\"127.0.0.1:8420\"", |to| {
            &mut to.http.listen
        }),
    },
    Key {
        path: "http.metrics_listen",
        rule: Rule::Text(check_address, "\"127.0.0.1:9420\"", |to| {
            &mut to.http.metrics_listen
        }),
    },
    Key {
        path: "http.traces",
        rule: Rule::Text(check_url, "\"http://127.0.0.1:4318\"", |to| {
            &mut to.http.traces
        }),
    },
    Key {
        path: "http.behind_proxy",
        rule: Rule::Switch(|to| &mut to.http.behind_proxy),
    },
    Key {
        path: "http.trusted_proxies",
        rule: Rule::Texts(check_ip, "[\"10.0.0.2\"]", |to| {
            &mut to.http.trusted_proxies
        }),
    },
    Key {
        path: "http.hosts",
        rule: Rule::Texts(check_host, "[\"mimo.example.com\"]", |to| {
            &mut to.http.hosts
        }),
    },
    Key {
        path: "http.origins",
        rule: Rule::Texts(check_origin, "[\"https://chat.example.com\"]", |to| {
            &mut to.http.origins
        }),
    },
    Key {
        path: "http.body_mb",
        rule: Rule::Whole(1, HTTP_BODY_MB_MAX, |to| &mut to.http.body_mb),
    },
    Key {
        path: "http.body_total_mb",
        rule: Rule::Whole(HTTP_BODY_MB_MAX, HTTP_BODY_TOTAL_MB_MAX, |to| {
            &mut to.http.body_total_mb
        }),
    },
    Key {
        path: "http.connections",
        rule: Rule::Whole(1, HTTP_CONNECTIONS_MAX, |to| &mut to.http.connections),
    },
    Key {
        path: "http.requests_per_minute",
        rule: Rule::Whole(1, KEY_REQUESTS_PER_MINUTE_MAX as u64, |to| {
            &mut to.http.requests_per_minute
        }),
    },
    Key {
        path: "http.at_once",
        rule: Rule::Whole(1, KEY_AT_ONCE_MAX as u64, |to| &mut to.http.at_once),
    },
    Key {
        path: "http.sessions",
        rule: Rule::Whole(1, HTTP_SESSIONS_MAX, |to| &mut to.http.sessions),
    },
    Key {
        path: "http.session_idle_minutes",
        rule: Rule::Whole(1, HTTP_SESSION_IDLE_MINUTES_MAX, |to| {
            &mut to.http.session_idle_minutes
        }),
    },
    Key {
        path: "store.url_variable",
        rule: Rule::Text(check_variable, "\"MIMO_DATABASE_URL\"", |to| {
            &mut to.store.url_variable
        }),
    },
    Key {
        path: "store.schema",
        rule: Rule::Text(check_schema, "\"mimo\"", |to| &mut to.store.schema),
    },
    Key {
        path: "store.readers",
        rule: Rule::Whole(1, DATABASE_CONNECTIONS_MAX as u64, |to| {
            &mut to.store.readers
        }),
    },
    Key {
        path: "store.writers",
        rule: Rule::Whole(1, DATABASE_CONNECTIONS_MAX as u64, |to| {
            &mut to.store.writers
        }),
    },
    Key {
        path: "store.migrate",
        rule: Rule::Switch(|to| &mut to.store.migrate),
    },
    Key {
        path: "store.statement_seconds",
        rule: Rule::Whole(1, DATABASE_STATEMENT_SECONDS_MAX, |to| {
            &mut to.store.statement_seconds
        }),
    },
    Key {
        path: "skills.first_sight",
        rule: Rule::OneOf(FIRST_SIGHT_VALUES, |to| &mut to.skills.first_sight),
    },
    Key {
        path: "update.url",
        rule: Rule::Text(
            check_update_url,
            "\"https://downloads.example/mimo/latest.json\"",
            |to| &mut to.update_url,
        ),
    },
];

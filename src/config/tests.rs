//! What the environment and the file set, and what is refused.

use std::ffi::OsString;

use super::file;
use super::*;
use crate::failure::Kind;
use crate::secret::Secret;

fn environment(variables: &[(&'static str, &str)], home: &Path) -> Environment {
    Environment {
        variables: variables
            .iter()
            .map(|(name, value)| (*name, OsString::from(value)))
            .collect(),
        config_folder: Some(home.join("config")),
        data_folder: Some(home.join("data")),
        ..Environment::default()
    }
}

fn home_with(config: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(home.path().join("config")).expect("a folder");
    std::fs::write(home.path().join("config/config.toml"), config).expect("a file");
    home
}

#[test]
fn nothing_set_gives_the_defaults() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let config = Config::load(&Flags::default(), &environment(&[], home.path())).expect("defaults");
    assert_eq!(config.database, home.path().join("data/mimo.db"));
    assert_eq!(config.log_folder(), home.path().join("data/logs"));
    assert_eq!(config.project, "global");
    assert_eq!(config.profile, "standard");
    assert_eq!(config.log, None);
    assert_eq!(config.memory, MemorySettings::default());
    assert!(
        !config.data_folder.exists(),
        "reading settings makes nothing"
    );
}

#[test]
fn flag_beats_variable_beats_file_beats_default() {
    let home = home_with("project = \"from-file\"\nprofile = \"core\"\nlog.level = \"info\"\n");
    let flags = Flags {
        project: Some(" from-flag ".into()),
        profile: Some("standard".into()),
        ..Flags::default()
    };
    let variables = [
        ("MIMO_PROJECT", "from-variable"),
        ("MIMO_PROFILE", "legacy"),
        ("MIMO_LOG", "debug"),
    ];
    let resolved = |flags: &Flags, variables: &[(&'static str, &str)]| {
        let config = Config::load(flags, &environment(variables, home.path())).expect("settings");
        (
            config.project,
            config.profile,
            config.log.unwrap_or_default(),
        )
    };
    assert_eq!(
        resolved(&flags, &variables),
        ("from-flag".into(), "standard".into(), "debug".into())
    );
    assert_eq!(
        resolved(&Flags::default(), &variables),
        ("from-variable".into(), "legacy".into(), "debug".into())
    );
    assert_eq!(
        resolved(&Flags::default(), &[]),
        ("from-file".into(), "core".into(), "info".into())
    );
}

#[cfg(unix)]
#[test]
fn a_data_folder_flag_also_overrides_the_database_variable() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let variables = [("MIMO_DATA_DIR", "/v/data"), ("DB_PATH", "/v/other.db")];
    let config =
        Config::load(&Flags::default(), &environment(&variables, home.path())).expect("ok");
    assert_eq!(config.data_folder, Path::new("/v/data"));
    assert_eq!(config.database, Path::new("/v/other.db"));

    let flags = Flags {
        data_folder: Some("/f/data".into()),
        ..Flags::default()
    };
    let config = Config::load(&flags, &environment(&variables, home.path())).expect("ok");
    assert_eq!(config.data_folder, Path::new("/f/data"));
    assert_eq!(config.database, Path::new("/f/data/mimo.db"));
}

#[test]
fn a_url_decides_for_postgres_and_is_never_printed() {
    let read: fn(&str) -> Option<OsString> = |name| {
        (name == "MIMO_DATABASE_URL").then(|| OsString::from("postgresql://me:hunter2@db/mimo"))
    };
    let load = |file: &str, variables: &[(&'static str, &str)], flags: &Flags| {
        let home = home_with(file);
        let mut environment = environment(variables, home.path());
        environment.read_secret = Some(read);
        Config::load(flags, &environment)
    };
    let plain = Flags::default();
    let config = load("", &[], &plain).expect("settings");
    assert!(config.store.url.is_some());
    assert_eq!(config.store.schema(), "mimo");
    assert!(!format!("{config:?}").contains("hunter2"));

    let both = load("", &[("DB_PATH", "/v/other.db")], &plain).expect_err("refused");
    assert!(both.message.contains("DB_PATH"), "{both}");
    assert!(both.message.contains("MIMO_DATABASE_URL"), "{both}");
    let flags = Flags {
        data_folder: Some("/f/data".into()),
        ..Flags::default()
    };
    assert!(load("", &[("DB_PATH", "/v/other.db")], &flags).is_ok());

    let unset = load("store.url_variable = \"OTHER\"", &[], &plain).expect_err("refused");
    assert!(unset.message.contains("OTHER, which is not set"), "{unset}");
    let odd = load("store.schema = \"pg_mine\"", &[], &plain).expect_err("refused");
    assert!(odd.to_string().contains("pg_"), "{odd}");
}

#[test]
fn unusable_variables_are_refused_by_name() {
    let home = tempfile::tempdir().expect("a temporary folder");
    for (variable, value, part) in [
        ("DB_PATH", "~/mimo.db", "only a shell expands ~"),
        ("MIMO_DATA_DIR", "~", "only a shell expands ~"),
        ("MIMO_PROJECT", "*", "all projects"),
        ("MIMO_PROJECT", "   ", "empty"),
        ("MIMO_PROFILE", "Core", "there is no profile"),
        ("MIMO_LOG", "mimo=loud", "log filter"),
    ] {
        let failure = Config::load(
            &Flags::default(),
            &environment(&[(variable, value)], home.path()),
        )
        .expect_err(variable);
        assert_eq!(failure.kind, Kind::InvalidArguments, "{variable}");
        let message = failure.message.clone();
        assert!(message.contains(part), "{variable}: {message}");
        assert!(message.contains(variable), "{variable}: {message}");
        assert!(failure.hint.is_some(), "{variable} names the next step");
    }
    let nowhere = Environment::default();
    let failure = Config::load(&Flags::default(), &nowhere).expect_err("no home");
    assert!(failure.to_string().contains("--config-dir"), "{failure}");
}

#[test]
fn the_file_sets_every_key() {
    let settings = file::parse(
        "config.toml",
        "project = \"website\"\nprofile = \"core\"\nlog.level = \"debug\"\n[memory]\nsimilar_threshold = 1\n\
         refuse_credentials = true\n\
         [memory.weights]\nkeyword = 0.5\nsemantic = 0.25\nneighbour_1 = 0\nneighbour_2 = 1e-1\n\
         [memory.retention]\nenabled = false\nidle_days = 60\nidle_importance = 0.5\nminor_days = 3\n\
         minor_importance = 0\nactive_max = 5000\nrestore_days = 1\n\
         [skills]\ncommands = [\"uvx\", \"/opt/x\"]\npath = [\"/opt/bin\"]\nsecrets = [\"MY_KEY\"]\n",
    )
    .expect("every key");
    assert_eq!(settings.project.as_deref(), Some("website"));
    assert_eq!(settings.profile.as_deref(), Some("core"));
    assert_eq!(settings.log_level.as_deref(), Some("debug"));
    let expected = MemorySettings {
        refuse_credentials: true,
        keyword_weight: 0.5,
        semantic_weight: 0.25,
        neighbour_weights: [0.0, 0.1],
        similar_threshold: 1.0,
        retention: RetentionSettings {
            enabled: false,
            idle_days: 60,
            idle_importance: 0.5,
            minor_days: 3,
            minor_importance: 0.0,
            active_max: 5_000,
            restore_days: 1,
        },
    };
    assert_eq!(settings.memory, expected);
    assert_eq!(settings.skills.commands, ["uvx", "/opt/x"]);
    assert_eq!(settings.skills.path, ["/opt/bin"]);
    assert_eq!(settings.skills.secrets, ["MY_KEY"]);
}

#[cfg(unix)]
#[test]
fn skills_take_variables_and_print_no_secret() {
    let home = home_with("[skills]\nsecrets = [\"MY_KEY\", \"OTHER\"]\npath = [\"/opt/bin\"]\n");
    let mut environment = environment(
        &[
            ("TZ", "UTC"),
            ("SKILLS_PATH", "/v/skills.json"),
            ("npm_config_registry", "https://npm.example.com/"),
        ],
        home.path(),
    );
    environment.read_secret = Some(|name| (name == "MY_KEY").then(|| "hunter2".into()));
    let config = Config::load(&Flags::default(), &environment).expect("settings");
    let skills = &config.skills;
    assert_eq!(skills.manifest, Path::new("/v/skills.json"));
    assert_eq!(skills.commands, ["npx", "uvx", "docker"]);
    assert!(skills.path.contains(&PathBuf::from("/opt/bin")));
    assert_eq!(skills.secrets["MY_KEY"], Some(Secret::new("hunter2")));
    assert_eq!(skills.secrets["OTHER"], None);
    let inherited = [
        ("TZ", "UTC"),
        ("npm_config_registry", "https://npm.example.com/"),
    ];
    let inherited = inherited.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(skills.inherited, inherited.into());
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_registry_with_a_password_is_for_installs_alone() {
    let home = home_with("");
    let address = "https://ann:hunter2@npm.example.com/";
    let environment = environment(&[("npm_config_registry", address)], home.path());
    let config = Config::load(&Flags::default(), &environment).expect("settings");
    assert!(config.skills.inherited.is_empty());
    assert_eq!(config.skills.fetching["npm_config_registry"], address);
}

#[test]
fn plain_http_stays_on_the_machine_unless_allowed() {
    let parse = |url: &str, more: &str| {
        let text = format!("[ask.endpoint]\nurl = \"{url}\"\nmodel = \"m\"\n{more}");
        file::parse("config.toml", &text).is_ok()
    };
    for stays in [
        "http://127.0.0.1:11434/v1",
        "http://127.8.8.8",
        "http://[::1]:1/v1",
        "http://LOCALHOST/v1",
        "https://api.example.com/v1",
    ] {
        assert!(parse(stays, ""), "{stays}");
    }
    for leaves in [
        "http://192.168.0.2/v1",
        "http://localhost.example/v1",
        "http://127.0.0.1.example/v1",
        "http://127.1/v1",
        "http://[::ffff:127.0.0.1]/v1",
        "http://0.0.0.0/v1",
    ] {
        assert!(!parse(leaves, ""), "{leaves}");
        assert!(parse(leaves, "plain_http = true"), "{leaves}");
    }
}

#[test]
fn the_endpoint_takes_its_key_from_the_variable_that_is_named() {
    let home = home_with(
        "[ask.endpoint]\nurl = \"https://a.example/v1\"\nmodel = \"m\"\nkey_variable = \"A_KEY\"\n",
    );
    let mut environment = environment(&[], home.path());
    let load =
        |environment: &Environment| Config::load(&Flags::default(), environment).expect("settings");
    let key = |config: &Config| config.ask.endpoint().and_then(|it| it.key.clone());
    let without = load(&environment);
    assert_eq!(key(&without), Some(("A_KEY".to_owned(), None)));
    environment.read_secret = Some(|name| (name == "A_KEY").then(|| "hunter2".into()));
    let with = load(&environment);
    let key_value = Some(Secret::new("hunter2"));
    assert_eq!(key(&with), Some(("A_KEY".to_owned(), key_value)));
    assert!(!format!("{with:?}").contains("hunter2"));
}

#[test]
fn mistakes_in_the_file_name_line_reason_and_fix() {
    for (text, line, why, fix) in [
        (
            "projet = \"a\"",
            1,
            "no setting projet",
            "did you mean \"project\"?",
        ),
        (
            "\n[memory.wieghts]\nkeyword = 1",
            2,
            "memory.wieghts",
            "memory.weights\"?",
        ),
        (
            "[memory.weights]\n\nkeywrod = 1",
            3,
            "keywrod",
            "memory.weights.keyword\"?",
        ),
        (
            "keyword = 0.5",
            1,
            "no setting keyword",
            "memory.weights.keyword\"?",
        ),
        (
            "colour = 1",
            1,
            "no setting colour",
            "the settings are project, profile",
        ),
        (
            "project = 5",
            1,
            "text in quotes, and is 5",
            "project = \"website\"",
        ),
        ("project = \"*\"", 1, "all projects", "leave it out"),
        (
            "log.level = \"loud\"",
            1,
            "one of off, error",
            "level = \"info\"",
        ),
        ("log = \"info\"", 1, "log is a section", "[log]"),
        (
            "memory.weights.keyword = 1.5",
            1,
            "from 0 to 1, and is 1.5",
            "leave it out",
        ),
        (
            "memory.weights.keyword = nan",
            1,
            "from 0 to 1, and is nan",
            "leave it out",
        ),
        (
            "skills.commands = [\"bash\"]",
            1,
            "cannot hold \"bash\"",
            "commands = [\"npx\"",
        ),
        (
            "skills.path = [\"bin\"]",
            1,
            "begins with /",
            "leave it out",
        ),
        ("skills.secrets = \"A\"", 1, "a list of", "secrets = ["),
        (
            "skills.secrets = [\"A-B\"]",
            1,
            "a variable's name",
            "leave it out",
        ),
        (
            "skills.strict = 1",
            1,
            "true or false, and is 1",
            "strict = true",
        ),
        (
            "skills.first_sight = \"never\"",
            1,
            "one of approve, ask",
            "first_sight = \"ask\"",
        ),
        (
            "ask.synthesis = \"Cleint\"",
            1,
            "one of auto, extract",
            "did you mean \"client\"?",
        ),
        (
            "ask.synthesis = \"never\"",
            1,
            "one of auto, extract",
            "synthesis = \"auto\"",
        ),
        (
            "\nask.synthesis = \"endpoint\"",
            2,
            "none is named",
            "[ask.endpoint]",
        ),
        (
            "[ask.endpoint]\nmodel = \"m\"",
            1,
            "no url",
            "url = \"http://127.0.0.1",
        ),
        (
            "[ask.endpoint]\nurl = \"https://a.example/v1\"",
            2,
            "no model",
            "model = ",
        ),
        (
            "[ask.endpoint]\nurl = \"ftp://a.example\"",
            2,
            "begins with http",
            "url = \"http://127.0.0.1",
        ),
        (
            "[ask.endpoint]\nurl = \"https://me:secret@a.example/v1\"",
            2,
            "use key_variable",
            "leave it out",
        ),
        (
            "[ask.endpoint]\nurl = \"https://a.example/v1?key=1\"",
            2,
            "before any ?",
            "leave it out",
        ),
        (
            "[ask.endpoint]\nurl = \"http://a.example/v1\"\nmodel = \"m\"",
            2,
            "not encrypted",
            "plain_http = true",
        ),
        (
            "ask.endpoint.model = \"\"",
            1,
            "a model's name",
            "model = \"qwen3:8b\"",
        ),
        (
            "memory.weights.keyword = \"1\"",
            1,
            "a number",
            "keyword = 0.3",
        ),
        (
            "project = \"a\"\nproject = \"b\"",
            2,
            "not TOML",
            "one setting a line",
        ),
        ("project = ", 1, "not TOML", "one setting a line"),
        (
            "[memory.weights]\nkeyword = 0\nsemantic = 0",
            1,
            "both 0",
            "give one of them",
        ),
    ] {
        let failure = file::parse("config.toml", text).expect_err(text);
        let message = &failure.message;
        assert!(
            message.starts_with(&format!("config.toml:{line}: ")),
            "{text:?}: {message}"
        );
        assert!(message.contains(why), "{text:?}: {message}");
        let hint = failure.hint.as_deref().unwrap_or_default();
        assert!(hint.contains(fix), "{text:?}: {hint}");
    }
}

#[test]
fn a_fence_by_flag_or_file_narrows_the_grants() {
    let grants = |file: &str, fence: bool| {
        let home = home_with(file);
        let flags = Flags {
            project: Some("website".into()),
            fence,
            ..Flags::default()
        };
        let config = Config::load(&flags, &environment(&[], home.path())).expect("settings");
        config.grants()
    };
    assert_eq!(grants("", false), Grants::local("website"));
    assert_eq!(grants("", true), Grants::fenced("website"));
    assert_eq!(grants("fence = true", false), Grants::fenced("website"));
}

#[cfg(unix)]
#[test]
fn folders_and_files_of_mimo_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().expect("a temporary folder");
    let file = home.path().join("a/b/mimo.db");
    private_file(&file).expect("a file");
    let mode = |path: &Path| path.metadata().expect("it exists").permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(&home.path().join("a/b")), 0o700);
    assert_eq!(mode(&home.path().join("a")), 0o700);
    let under_a_file = file.join("c");
    let failure = private_folder(&under_a_file).expect_err("a file is in the way");
    assert!(failure.to_string().contains("--data-dir"), "{failure}");
}

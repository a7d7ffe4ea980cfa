//! A reader of profiles, as far as they use the language.

use std::path::Path;

/// What a rule is asked about.
#[derive(Clone, Copy)]
pub(super) enum Object<'a> {
    Path(&'a str),
    Fact(&'a str),
    Service(&'a str),
    Semaphore(&'a str),
    /// A protocol and a port of another machine.
    Remote(&'a str, u16),
    /// A protocol and a port of this one.
    Local(&'a str, u16),
    Socket(&'a str),
    Process(&'a str),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    Word(String),
    Text(String),
    List(Vec<Term>),
}

impl Term {
    fn list(&self) -> &[Term] {
        match self {
            Term::List(terms) => terms,
            other => panic!("a list, not {other:?}"),
        }
    }

    fn word(&self) -> &str {
        match self {
            Term::Word(text) | Term::Text(text) => text,
            other => panic!("a word, not {other:?}"),
        }
    }
}

fn read(text: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Term> {
    while text.next_if(|c| c.is_whitespace()).is_some() {}
    match text.next()? {
        '(' => {
            let mut terms = Vec::new();
            loop {
                while text.next_if(|c| c.is_whitespace()).is_some() {}
                if text.next_if_eq(&')').is_some() {
                    return Some(Term::List(terms));
                }
                terms.push(read(text).expect("a list is closed"));
            }
        }
        ')' => panic!("a list is closed twice"),
        '"' => {
            let mut out = String::new();
            loop {
                match text.next().expect("a text is closed") {
                    '"' => return Some(Term::Text(out)),
                    '\\' => out.push(text.next().expect("what is escaped")),
                    c => out.push(c),
                }
            }
        }
        first => {
            let mut out = String::from(first);
            let is_part = |c: &char| !c.is_whitespace() && !matches!(c, '(' | ')' | '"');
            while let Some(c) = text.next_if(is_part) {
                out.push(c);
            }
            Some(Term::Word(out))
        }
    }
}

pub(super) fn rules(profile: &str) -> Vec<Term> {
    let mut text = profile.chars().peekable();
    std::iter::from_fn(|| read(&mut text)).collect()
}

/// Whether `profile` lets `operation` be done with `object`.
pub(super) fn allows(profile: &str, operation: &str, object: Object<'_>) -> bool {
    let mut allowed = false;
    for rule in rules(profile) {
        let mut rule = rule.list();
        if rule[0].word() == "if" {
            rule = rule[2].list();
        }
        let is_rule = matches!(rule[0].word(), "allow" | "deny");
        let (names, filters): (Vec<_>, Vec<_>) = rule[1..]
            .iter()
            .partition(|term| matches!(term, Term::Word(_)));
        let covers = |name: &&Term| match name.word().strip_suffix('*') {
            Some(start) => operation.starts_with(start),
            None => name.word() == operation || name.word() == "default",
        };
        let applies =
            filters.is_empty() || filters.iter().any(|filter| matches(filter.list(), object));
        if is_rule && names.iter().any(covers) && applies {
            allowed = rule[0].word() == "allow";
        }
    }
    allowed
}

fn matches(filter: &[Term], object: Object<'_>) -> bool {
    let argument = filter.get(1);
    match (filter[0].word(), object) {
        ("literal" | "path", Object::Path(path)) => argument.expect("a path").word() == path,
        ("subpath", Object::Path(path) | Object::Socket(path)) => {
            Path::new(path).starts_with(argument.expect("a path").word())
        }
        ("require-all", Object::Path(_)) => {
            filter[1..].iter().all(|each| matches(each.list(), object))
        }
        ("vnode-type", Object::Path(_)) => true,
        ("sysctl-name", Object::Fact(name)) => argument.expect("a name").word() == name,
        ("sysctl-name-prefix", Object::Fact(name)) => {
            name.starts_with(argument.expect("a name").word())
        }
        ("global-name", Object::Service(name)) => argument.expect("a name").word() == name,
        ("ipc-posix-name-prefix", Object::Semaphore(name)) => {
            name.starts_with(argument.expect("a name").word())
        }
        ("target", Object::Process(whose)) => argument.expect("whose").word() == whose,
        ("remote" | "local", Object::Socket(_)) => {
            let is_socket = argument.expect("a protocol").word() == "unix-socket";
            is_socket
                && filter
                    .get(2)
                    .is_none_or(|each| matches(each.list(), object))
        }
        ("remote", Object::Remote(protocol, port)) => {
            let port = format!("*:{port}");
            let is_port = filter.get(2).is_none_or(|each| each.word() == port);
            argument.expect("a protocol").word() == protocol && is_port
        }
        ("local", Object::Local(protocol, port)) => {
            let port = format!("localhost:{port}");
            argument.expect("a protocol").word() == protocol && filter[2].word() == port
        }
        _ => false,
    }
}

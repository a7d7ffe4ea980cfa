//! Diagrams of a procedure in Mermaid and SVG, with the path of an execution
//! highlighted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use super::definition::{Definition, State};
use super::machine::Machine;
use super::plan::outgoing;

/// The states and transitions that an execution went through.
#[derive(Default)]
pub(crate) struct ExecutionPath {
    states: BTreeSet<String>,
    edges: BTreeSet<(String, String)>,
    undone: BTreeSet<String>,
    now: Option<String>,
}

impl ExecutionPath {
    pub(crate) fn of(machine: &Machine) -> ExecutionPath {
        let mut path = ExecutionPath::default();
        for each in machine.moves() {
            if let Some(to) = &each.to {
                path.states.insert(to.clone());
                if let Some(from) = &each.from {
                    path.edges.insert((from.clone(), to.clone()));
                }
            }
        }
        let undone = machine.compensated().iter();
        path.undone = undone
            .map(|name| name.split('[').next().unwrap_or(name).to_owned())
            .collect();
        path.now = Some(machine.state().to_owned());
        path
    }

    fn class(&self, name: &str) -> Option<&'static str> {
        match () {
            () if self.undone.contains(name) => Some("undone"),
            () if self.now.as_deref() == Some(name) => Some("now"),
            () if self.states.contains(name) => Some("passed"),
            () => None,
        }
    }
}

/// Fill and stroke of the states of each class.
const CLASSES: [(&str, &str, &str); 3] = [
    ("passed", "#d9f2d9", "#2e7d32"),
    ("now", "#fff3c4", "#b7791f"),
    ("undone", "#fde0dc", "#c62828"),
];

fn label(name: &str, state: &State) -> [String; 2] {
    let does = match (&state.action, &state.fail) {
        (Some(action), _) => action.label(),
        (None, Some(fail)) => format!("fail: {}", fail.error),
        (None, None) => String::new(),
    };
    [name.to_owned(), does]
}

pub(crate) fn mermaid(definition: &Definition, path: &ExecutionPath) -> String {
    let ids: BTreeMap<&str, String> = definition
        .states
        .keys()
        .enumerate()
        .map(|(nth, name)| (name.as_str(), format!("s{nth}")))
        .collect();
    let id = |name: &str| ids.get(name).cloned().unwrap_or_default();
    let mut text = String::from("stateDiagram-v2\n");
    for (name, state) in &definition.states {
        let [name, does] = label(name, state);
        let shown = match does.as_str() {
            "" => name.clone(),
            does => format!("{name}: {does}"),
        };
        let _ = writeln!(
            text,
            "  state \"{}\" as {}",
            shown.replace('"', "'"),
            id(&name)
        );
    }
    let _ = writeln!(text, "  [*] --> {}", id(&definition.initial_state));
    for (name, state) in &definition.states {
        for (event, target) in outgoing(state) {
            let _ = match event.as_str() {
                "next" => writeln!(text, "  {} --> {}", id(name), id(target)),
                event => writeln!(text, "  {} --> {} : {event}", id(name), id(target)),
            };
        }
        if state.end || state.fail.is_some() {
            let _ = writeln!(text, "  {} --> [*]", id(name));
        }
    }
    let mut used = BTreeSet::new();
    for name in definition.states.keys() {
        if let Some(class) = path.class(name) {
            used.insert(class);
            let _ = writeln!(text, "  class {} {class}", id(name));
        }
    }
    for (class, fill, edge) in CLASSES.iter().filter(|(class, ..)| used.contains(class)) {
        let _ = writeln!(text, "  classDef {class} fill:{fill},stroke:{edge}");
    }
    text
}

const BOX_WIDTH: usize = 190;
const BOX_HEIGHT: usize = 46;
const COLUMN: usize = 230;
const ROW: usize = 96;
const MARGIN: usize = 24;
/// Space on the right for the labels of backward edges.
const LABEL: usize = 100;

/// An SVG diagram. The row of a state is its distance from the initial one.
pub(crate) fn svg(definition: &Definition, path: &ExecutionPath) -> String {
    let places = places(definition);
    let columns = places
        .values()
        .map(|(column, _)| column + 1)
        .max()
        .unwrap_or(1);
    let rows = places.values().map(|(_, row)| row + 1).max().unwrap_or(1);
    let (width, height) = (
        columns * COLUMN + 2 * MARGIN + LABEL,
        rows * ROW + 2 * MARGIN,
    );
    let corner = |name: &str| {
        let (column, row) = places.get(name).copied().unwrap_or_default();
        (MARGIN + column * COLUMN + 20, MARGIN + row * ROW)
    };
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>{}</title>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto-start-reverse\"><path d=\"M0 0L8 4L0 8z\"/></marker></defs>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n",
        escaped(&format!("{} {}", definition.name, definition.version))
    );
    for (name, state) in &definition.states {
        for (event, target) in outgoing(state) {
            let taken = path.edges.contains(&(name.clone(), target.to_owned()));
            edge(&mut text, corner(name), corner(target), &event, taken);
        }
    }
    for (name, state) in &definition.states {
        let (x, y) = corner(name);
        let [name, does] = label(name, state);
        let style = CLASSES
            .iter()
            .find(|(class, ..)| path.class(&name) == Some(class));
        let (fill, stroke) = style.map_or(("#f5f5f5", "#666"), |(_, fill, edge)| (fill, edge));
        let round = if state.end || state.fail.is_some() {
            BOX_HEIGHT / 2
        } else {
            6
        };
        let middle = x + BOX_WIDTH / 2;
        let _ = writeln!(
            text,
            "<g><rect x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" \
             rx=\"{round}\" fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"{}\"/>\
             <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" font-weight=\"bold\">{}</text>\
             <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">{}</text></g>",
            if style.is_some() { 2 } else { 1 },
            y + 20,
            escaped(&short(&name)),
            y + 36,
            escaped(&short(&does)),
        );
    }
    text.push_str("</svg>\n");
    text
}

fn edge(text: &mut String, from: (usize, usize), to: (usize, usize), event: &str, taken: bool) {
    let (stroke, width) = if taken { ("#2e7d32", 2) } else { ("#999", 1) };
    let half = BOX_WIDTH / 2;
    let (x1, y1, x2, y2, bend) = if to.1 > from.1 {
        let (y1, y2) = (from.1 + BOX_HEIGHT, to.1);
        (from.0 + half, y1, to.0 + half, y2, None)
    } else {
        // Backward and sideways edges go around the right side.
        let side = from.0.max(to.0) + BOX_WIDTH + 28;
        let (y1, y2) = (from.1 + BOX_HEIGHT / 2, to.1 + BOX_HEIGHT / 2);
        (from.0 + BOX_WIDTH, y1, to.0 + BOX_WIDTH, y2, Some(side))
    };
    let shape = match bend {
        None => format!(
            "M{x1} {y1}C{x1} {} {x2} {} {x2} {y2}",
            y1 + 24,
            y2.saturating_sub(24)
        ),
        Some(side) => format!("M{x1} {y1}C{side} {y1} {side} {y2} {x2} {y2}"),
    };
    let _ = writeln!(
        text,
        "<path d=\"{shape}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"{width}\" \
         marker-end=\"url(#tip)\"/>"
    );
    if event != "next" {
        // The middle of the curve.
        let x = bend.map_or((x1 + x2) / 2, |side| (x1 + 6 * side + x2) / 8) + 4;
        let _ = writeln!(
            text,
            "<text x=\"{x}\" y=\"{}\" fill=\"#555\" font-size=\"10\">{}</text>",
            (y1 + y2) / 2,
            escaped(&short(event))
        );
    }
}

/// Column and row of each state.
fn places(definition: &Definition) -> BTreeMap<&str, (usize, usize)> {
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    let mut open = VecDeque::from([(definition.initial_state.as_str(), 0)]);
    let mut columns: BTreeMap<usize, usize> = BTreeMap::new();
    let mut places = BTreeMap::new();
    while let Some((name, row)) = open.pop_front() {
        if rows.contains_key(name) {
            continue;
        }
        let Some((name, state)) = definition.states.get_key_value(name) else {
            continue;
        };
        rows.insert(name, row);
        let column = columns.entry(row).or_default();
        places.insert(name.as_str(), (*column, row));
        *column += 1;
        open.extend(
            outgoing(state)
                .into_iter()
                .map(|(_, target)| (target, row + 1)),
        );
    }
    places
}

fn short(text: &str) -> String {
    const CHARS: usize = 26;
    match text.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

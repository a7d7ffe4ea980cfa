//! Which tools of skills are listed by name, and under which names. Pure.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::limits::{TOKEN_BYTES, TOOLS_LISTED_MAX, TOOLS_LISTED_TOKENS_MAX};
use crate::registry::tool_names::names;
use crate::registry::{ApprovalState, Expose, OfferedTool, SkillName};

/// The tools on offer at one moment, under their names for clients.
pub(crate) struct ExposedTools {
    offers: Vec<OfferedTool>,
    names: Vec<String>,
    by_name: HashMap<String, usize>,
}

/// How a session lists the tools of skills with `Expose::Auto`. It is chosen once: a
/// client must not lose tools that it has seen because another skill came up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum AutoChoice {
    /// Nothing to list was known yet.
    #[default]
    Open,
    /// By name, those of these skills; a new skill joins while the list stays short.
    Direct(BTreeSet<SkillName>),
    /// Through `skill_find` only.
    Search,
}

/// The size of a list of definitions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    pub(crate) tools: usize,
    /// Of the definitions as JSON.
    pub(crate) bytes: usize,
}

impl Load {
    fn with(self, definitions: &[(usize, Arc<RawValue>)]) -> Load {
        let bytes = definitions.iter().map(|(_, raw)| raw.get().len());
        Load {
            tools: self.tools + definitions.len(),
            bytes: self.bytes + bytes.sum::<usize>(),
        }
    }

    fn is_within_limits(self) -> bool {
        self.tools <= TOOLS_LISTED_MAX && self.bytes <= TOOLS_LISTED_TOKENS_MAX * TOKEN_BYTES
    }
}

impl ExposedTools {
    pub(crate) fn of(offers: Vec<OfferedTool>) -> ExposedTools {
        let pairs = offers
            .iter()
            .map(|offer| (&offer.skill, offer.tool.name.as_str()));
        let names = names(pairs);
        let by_name = names.iter().cloned().zip(0..).collect();
        ExposedTools {
            offers,
            names,
            by_name,
        }
    }

    pub(crate) fn offers(&self) -> &[OfferedTool] {
        &self.offers
    }

    /// The name of the offer at this index.
    pub(crate) fn name(&self, nth: usize) -> &str {
        &self.names[nth]
    }

    /// The offer with this name, or whose skill and tool make up this name.
    pub(crate) fn find(&self, name: &str) -> Option<&OfferedTool> {
        let place = self.by_name.get(name).copied();
        let joined = || {
            let (skill, tool) = split(name)?;
            let meant = |offer: &OfferedTool| offer.skill == skill && offer.tool.name == tool;
            self.offers.iter().position(meant)
        };
        place.or_else(joined).map(|place| &self.offers[place])
    }

    /// The definitions that are listed beside `own`, under their names for clients:
    /// those of skills with `Expose::Direct`, and those with `Expose::Auto` as
    /// `choice` says, which is made here if it is not yet. Leaves out tools that are
    /// not approved or whose name is not `granted`.
    pub(crate) fn direct(
        &self,
        own: Load,
        choice: &mut AutoChoice,
        granted: impl Fn(&str) -> bool,
    ) -> Vec<Arc<RawValue>> {
        let listed = |wanted: Expose| -> Vec<(usize, Arc<RawValue>)> {
            let places = 0..self.offers.len();
            let shown = places.filter(|nth| {
                let offer = &self.offers[*nth];
                let shown = offer.expose == wanted && offer.approval == ApprovalState::Approved;
                shown && granted(&self.names[*nth])
            });
            shown
                .filter_map(|nth| Some((nth, self.renamed(nth)?)))
                .collect()
        };
        let mut all = listed(Expose::Direct);
        let auto = listed(Expose::Auto);
        if *choice == AutoChoice::Open && !auto.is_empty() {
            let is_short = own.with(&all).with(&auto).is_within_limits();
            *choice = match is_short {
                true => AutoChoice::Direct(BTreeSet::new()),
                false => AutoChoice::Search,
            };
        }
        if let AutoChoice::Direct(skills) = choice {
            let skill = |tool: &(usize, _)| &self.offers[tool.0].skill;
            let (mut shown, new): (Vec<_>, Vec<_>) = auto
                .into_iter()
                .partition(|tool| skills.contains(skill(tool)));
            for tools in new.chunk_by(|a, b| skill(a) == skill(b)) {
                if own.with(&all).with(&shown).with(tools).is_within_limits() {
                    skills.insert(skill(&tools[0]).clone());
                    shown.extend_from_slice(tools);
                }
            }
            all.extend(shown);
            all.sort_by_key(|(nth, _)| *nth);
        }
        all.into_iter().map(|(_, definition)| definition).collect()
    }

    fn renamed(&self, nth: usize) -> Option<Arc<RawValue>> {
        let raw = &self.offers[nth].tool.definition;
        let mut definition: Value = serde_json::from_str(raw.get()).ok()?;
        *definition.get_mut("name")? = self.names[nth].as_str().into();
        Some(to_raw_value(&definition).ok()?.into())
    }
}

pub(crate) fn split(name: &str) -> Option<(SkillName, &str)> {
    let (skill, tool) = name.split_once(crate::registry::tool_names::SEPARATOR)?;
    Some((SkillName::new(skill)?, tool))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skills::client::Tool;

    fn offers(skill: &str, tools: usize, expose: Expose) -> Vec<OfferedTool> {
        let offer = |nth: usize| {
            let text = format!(
                r#"{{"extra":{{"b":1.0,"a":2}},"name":"t{nth}","inputSchema":{{"type":"object"}}}}"#
            );
            let raw: &RawValue = serde_json::from_str(&text).expect("JSON");
            OfferedTool {
                skill: SkillName::new(skill).expect("a name"),
                tool: Tool::read(raw).expect("a tool"),
                approval: ApprovalState::Approved,
                expose,
            }
        };
        (0..tools).map(offer).collect()
    }

    fn listed(offers: Vec<OfferedTool>, choice: &mut AutoChoice) -> usize {
        let own = Load {
            tools: 8,
            bytes: 8000,
        };
        ExposedTools::of(offers).direct(own, choice, |_| true).len()
    }

    fn shown(offers: Vec<OfferedTool>) -> usize {
        listed(offers, &mut AutoChoice::Open)
    }

    #[test]
    fn a_renamed_definition_keeps_all_members() {
        let direct = ExposedTools::of(offers("s", 1, Expose::Auto)).direct(
            Load::default(),
            &mut AutoChoice::Open,
            |_| true,
        );
        assert_eq!(
            direct[0].get(),
            r#"{"extra":{"b":1.0,"a":2},"name":"s__t0","inputSchema":{"type":"object"}}"#
        );
    }

    #[test]
    fn auto_is_direct_while_the_list_is_short() {
        let room = TOOLS_LISTED_MAX - 8;
        assert_eq!(shown(offers("a", room, Expose::Auto)), room);
        assert_eq!(shown(offers("a", room + 1, Expose::Auto)), 0);
        // Direct tools stay listed and leave less room for the others.
        let mut both = offers("a", room, Expose::Auto);
        both.extend(offers("b", 5, Expose::Direct));
        assert_eq!(shown(both), 5);
        assert_eq!(shown(offers("a", 3, Expose::Search)), 0);
    }

    #[test]
    fn auto_is_chosen_once() {
        let room = TOOLS_LISTED_MAX - 8;
        let two = |second| {
            let mut both = offers("a", room - 5, Expose::Auto);
            both.extend(offers("b", second, Expose::Auto));
            both
        };
        let mut choice = AutoChoice::Open;
        assert_eq!(listed(Vec::new(), &mut choice), 0);
        assert_eq!(choice, AutoChoice::Open);
        assert_eq!(listed(two(0), &mut choice), room - 5);
        // One skill too many is found by search; a small one joins.
        assert_eq!(listed(two(6), &mut choice), room - 5);
        assert_eq!(listed(two(5), &mut choice), room);
        // What was listed stays, even with more tools than before.
        assert_eq!(listed(two(6), &mut choice), room + 1);

        let mut choice = AutoChoice::Open;
        assert_eq!(listed(two(6), &mut choice), 0);
        assert_eq!(choice, AutoChoice::Search);
        assert_eq!(listed(two(0), &mut choice), 0);
    }

    #[test]
    fn an_unapproved_tool_is_found_but_not_listed() {
        let mut offers = offers("a", 2, Expose::Direct);
        offers[1].approval = ApprovalState::New;
        let exposed = ExposedTools::of(offers);
        assert_eq!(
            exposed
                .direct(Load::default(), &mut AutoChoice::Open, |_| true)
                .len(),
            1
        );
        assert_eq!(exposed.find("a__t1").expect("found").tool.name, "t1");
        assert!(exposed.find("a__t2").is_none() && exposed.find("t1").is_none());
    }
}

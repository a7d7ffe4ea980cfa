//! Which tools of skills are listed by name, and under which names. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::limits::{TOKEN_BYTES, TOOLS_LISTED_MAX, TOOLS_LISTED_TOKENS_MAX};
use crate::registry::tool_names::names;
use crate::registry::{ApprovalState, Expose, OfferedTool, SkillName};

/// The tools on offer at one moment, under their names for clients.
pub(crate) struct Exposed {
    offers: Vec<OfferedTool>,
    names: Vec<String>,
    by_name: HashMap<String, usize>,
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

impl Exposed {
    pub(crate) fn of(offers: Vec<OfferedTool>) -> Exposed {
        let pairs = offers
            .iter()
            .map(|offer| (&offer.skill, offer.tool.name.as_str()));
        let names = names(pairs);
        let by_name = names.iter().cloned().zip(0..).collect();
        Exposed {
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
    /// those of skills with `Expose::Direct`, and those with `Expose::Auto` while all
    /// together are within the limits. Leaves out tools that are not approved or
    /// whose name is not `granted`.
    pub(crate) fn direct(&self, own: Load, granted: impl Fn(&str) -> bool) -> Vec<Arc<RawValue>> {
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
        if own.with(&all).with(&auto).is_within_limits() {
            all.extend(auto);
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

    fn shown(offers: Vec<OfferedTool>) -> usize {
        let own = Load {
            tools: 8,
            bytes: 8000,
        };
        Exposed::of(offers).direct(own, |_| true).len()
    }

    #[test]
    fn a_renamed_definition_keeps_all_members() {
        let direct = Exposed::of(offers("s", 1, Expose::Auto)).direct(Load::default(), |_| true);
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
    fn an_unapproved_tool_is_found_but_not_listed() {
        let mut offers = offers("a", 2, Expose::Direct);
        offers[1].approval = ApprovalState::New;
        let exposed = Exposed::of(offers);
        assert_eq!(exposed.direct(Load::default(), |_| true).len(), 1);
        assert_eq!(exposed.find("a__t1").expect("found").tool.name, "t1");
        assert!(exposed.find("a__t2").is_none() && exposed.find("t1").is_none());
    }
}

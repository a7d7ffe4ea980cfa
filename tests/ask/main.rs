//! Asking: how often the router finds the store that answers, and what of the
//! results is said.

mod routing;

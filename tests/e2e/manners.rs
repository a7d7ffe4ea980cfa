//! What desktop clients do that the letter of the protocol does not foresee.

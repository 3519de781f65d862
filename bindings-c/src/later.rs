//! Types that the interface names already and that come with later versions.

/// A session with a server. Comes with a later version.
pub struct aster_session_t {
    _private: (),
}

/// A node of its own. Comes with a later version.
pub struct aster_node_t {
    _private: (),
}

//! The mesh as one producer sees it: members, order of messages, clocks (`trust.md` section 11).
//!
//! Pure: bytes and the time come in, effects go out. Who is allowlisted follows from the effects.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{DriftConfig, Envelope, MessageKind, Notice, topic};
use crate::ids::EndpointId;
use crate::limits::{MAX_ACCEPTED_PRODUCERS, MAX_MESH_FLOORS, MAX_MESH_MEMBERS};
use crate::trust::{Cause, Credential};

macro_rules! dropped {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Why a message has no effect.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Dropped {
            $($(#[$doc])* $variant,)*
        }

        impl Dropped {
            /// Returns the name that logs use.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

dropped! {
    /// More bytes than the limit.
    TooLarge = "too_large",
    /// Not a message.
    Malformed = "malformed",
    /// A type of another version.
    UnknownType = "unknown_type",
    /// The sender is no member.
    NotMember = "not_member",
    /// The credential that is shown does not admit its sender.
    BadIntroduce = "bad_introduce",
    /// Not signed by its sender.
    BadSignature = "bad_signature",
    /// The sender's clock or the message is too far away.
    Window = "window",
    /// Not newer than what came before.
    Replay = "replay",
    /// The sender's clock is not believed.
    Isolated = "isolated",
    /// No room for more members or orders.
    Full = "full",
}

/// What a message, or the time, does.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A producer showed a credential that holds, and is a member now.
    Joined(EndpointId, Box<Credential>),
    /// A producer left.
    Left(EndpointId),
    /// Something for registries.
    Notice(EndpointId, Notice),
    /// Our own clock is wrong: say so and be silent.
    SelfDepart,
    /// Our own clock is right again: introduce ourselves.
    Rejoin,
}

/// Whose messages of which kind have one order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Order {
    Presence(EndpointId),
    Notice(EndpointId, u8, String, i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offset {
    pub(super) offset_ms: i64,
    pub(super) at_ms: u64,
}

/// Verifies the credential of an introduction for its sender.
pub type VerifyProducer<'a> = &'a dyn Fn(&Credential, EndpointId) -> Result<(), Cause>;

/// The mesh of a deployment, seen by one of its producers.
#[derive(Clone, Debug, PartialEq)]
pub struct Mesh {
    pub(super) own: EndpointId,
    pub(super) root_pubkey: [u8; 32],
    pub(super) salt: [u8; 32],
    pub(super) config: DriftConfig,
    /// Other members, and in which millisecond they are none any more.
    pub(super) members: BTreeMap<EndpointId, u64>,
    pub(super) offsets: HashMap<EndpointId, Offset>,
    pub(super) isolated: HashSet<EndpointId>,
    pub(super) floors: HashMap<Order, u64>,
    /// Highest clock that was seen of each sender.
    pub(super) seen: HashMap<EndpointId, u64>,
    /// Our own last message.
    pub(super) sent_ms: u64,
    pub(super) joined_at_ms: u64,
    pub(super) heard_ms: u64,
    pub(super) is_dead: bool,
    /// Whether the salt is that of the deployment.
    pub(super) is_settled: bool,
    /// Since when our clock has been right again.
    pub(super) right_since_ms: Option<u64>,
}

impl Mesh {
    /// Makes the mesh of a producer that knows nobody yet.
    pub fn new(own: EndpointId, root_pubkey: [u8; 32], salt: [u8; 32], config: DriftConfig, now_ms: u64) -> Self {
        Self {
            own,
            root_pubkey,
            salt,
            config,
            members: BTreeMap::new(),
            offsets: HashMap::new(),
            isolated: HashSet::new(),
            floors: HashMap::new(),
            seen: HashMap::new(),
            sent_ms: 0,
            joined_at_ms: now_ms,
            heard_ms: now_ms,
            is_dead: false,
            is_settled: true,
            right_since_ms: None,
        }
    }

    /// Makes it one whose salt nobody has told yet.
    #[must_use]
    pub fn unsettled(self) -> Self {
        Self { is_settled: false, ..self }
    }

    /// Tells whether the salt is known.
    pub fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// Returns the topic.
    pub fn topic(&self) -> [u8; 32] {
        topic(&self.root_pubkey, &self.salt)
    }

    /// Returns our own id.
    pub fn own(&self) -> EndpointId {
        self.own
    }

    /// Returns the salt. It is a secret of the deployment.
    pub fn salt(&self) -> &[u8; 32] {
        &self.salt
    }

    /// Tells whether we are silent because our clock is wrong.
    pub fn is_dead(&self) -> bool {
        self.is_dead
    }

    /// Returns how clocks are judged.
    pub fn config(&self) -> &DriftConfig {
        &self.config
    }

    /// Sets when a message of another member is held to have arrived last.
    pub fn hear(&mut self, now_ms: u64) {
        self.heard_ms = now_ms;
    }

    /// Returns when a message of another member arrived last, in milliseconds.
    pub fn heard_ms(&self) -> u64 {
        self.heard_ms
    }

    /// Returns the other members.
    pub fn members(&self, now_ms: u64) -> impl Iterator<Item = EndpointId> + '_ {
        self.members.iter().filter(move |(_, deadline)| **deadline > now_ms).map(|(id, _)| *id)
    }

    /// Returns the ids that producer admission tells: sorted, ourselves included, a bounded number.
    pub fn accepted(&self, now_ms: u64) -> Vec<EndpointId> {
        let mut ids: Vec<_> = self.members(now_ms).take(MAX_ACCEPTED_PRODUCERS - 1).collect();
        ids.push(self.own);
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Returns the ids that a member is told: as [`accepted`](Self::accepted), itself among them.
    pub fn accepted_with(&self, member: &EndpointId, now_ms: u64) -> Vec<EndpointId> {
        let mut ids = self.accepted(now_ms);
        if let Err(position) = ids.binary_search(member) {
            if ids.len() >= MAX_ACCEPTED_PRODUCERS {
                let other = if ids.first() == Some(&self.own) { 1 } else { 0 };
                ids.remove(other);
                ids.push(*member);
                ids.sort_unstable();
            } else {
                ids.insert(position, *member);
            }
        }
        ids
    }

    /// Ends a membership.
    pub fn remove(&mut self, id: &EndpointId) {
        self.leave(id);
    }

    /// Makes a producer a member until a time, or moves that time. False: there is no room.
    pub fn accept(&mut self, id: EndpointId, deadline_ms: u64, now_ms: u64) -> bool {
        if id == self.own {
            return true;
        }
        if !self.members.contains_key(&id) && self.members.len() >= MAX_MESH_MEMBERS {
            self.members.retain(|_, deadline| *deadline > now_ms);
            if self.members.len() >= MAX_MESH_MEMBERS {
                return false;
            }
        }
        self.members.insert(id, deadline_ms);
        true
    }

    /// Makes those members that a list names, for at most a time; whoever introduced itself keeps its own.
    pub fn accept_listed(&mut self, ids: &[EndpointId], deadline_ms: u64, now_ms: u64) {
        for id in ids {
            if self.members.get(id).is_none_or(|known| *known <= now_ms) {
                self.accept(*id, deadline_ms, now_ms);
            }
        }
    }

    /// Moves to the mesh of another salt. False: it is ours already.
    pub fn move_to(&mut self, salt: [u8; 32], now_ms: u64) -> bool {
        if salt == self.salt {
            return false;
        }
        let Self { own, root_pubkey, config, sent_ms, .. } = *self;
        *self = Self { sent_ms, ..Self::new(own, root_pubkey, salt, config, now_ms) };
        true
    }

    /// Returns the clock of our next message: never twice the same, never back.
    pub fn next_epoch_ms(&mut self, now_ms: u64) -> u64 {
        self.sent_ms = now_ms.max(self.sent_ms + 1);
        self.sent_ms
    }

    fn is_member(&self, id: &EndpointId, now_ms: u64) -> bool {
        self.members.get(id).is_some_and(|deadline| *deadline > now_ms)
    }

    /// Takes a message of the topic.
    ///
    /// # Errors
    ///
    /// Why it has no effect.
    pub fn receive(&mut self, bytes: &[u8], now_ms: u64, verify: VerifyProducer<'_>) -> Result<Effect, Dropped> {
        let message = Envelope::parse(bytes)?;
        let Envelope { kind, sender, epoch_ms, .. } = message;
        let shown = match kind {
            MessageKind::Introduce => Some(introduced(&message, verify).ok_or(Dropped::BadIntroduce)?),
            _ if !self.is_member(&sender, now_ms) => return Err(Dropped::NotMember),
            _ => None,
        };
        if !message.is_signed() {
            return Err(Dropped::BadSignature);
        }
        self.record(sender, epoch_ms, now_ms);
        if now_ms.abs_diff(epoch_ms) > self.config.replay_window_ms {
            return Err(Dropped::Window);
        }
        let notice = match kind {
            MessageKind::Introduce | MessageKind::Depart => None,
            kind => Some(Notice::parse(kind, &message.payload).ok_or(Dropped::Malformed)?),
        };
        let order = match &notice {
            None => Order::Presence(sender),
            Some(notice) => {
                let (service, version) = notice.service();
                Order::Notice(sender, kind as u8, service.to_owned(), version)
            }
        };
        if self.floors.get(&order).is_some_and(|floor| epoch_ms <= *floor) {
            return Err(Dropped::Replay);
        }
        if notice.is_some() && self.isolated.contains(&sender) {
            return Err(Dropped::Isolated);
        }
        if !self.floors.contains_key(&order) && self.floors.len() >= MAX_MESH_FLOORS {
            self.forget(now_ms);
            if self.floors.len() >= MAX_MESH_FLOORS {
                return Err(Dropped::Full);
            }
        }
        let effect = match (notice, shown) {
            (Some(notice), _) => Effect::Notice(sender, notice),
            (None, Some(credential)) => {
                if !self.accept(sender, credential.expires_at.saturating_mul(1000), now_ms) {
                    return Err(Dropped::Full);
                }
                Effect::Joined(sender, credential)
            }
            (None, None) => {
                self.leave(&sender);
                Effect::Left(sender)
            }
        };
        self.floors.insert(order, epoch_ms);
        self.heard_ms = now_ms;
        Ok(effect)
    }

    /// Remembers how a sender's clock differs from ours, by its newest message: a replay says nothing about it.
    fn record(&mut self, sender: EndpointId, epoch_ms: u64, now_ms: u64) {
        if sender == self.own || self.seen.get(&sender).is_some_and(|seen| epoch_ms <= *seen) {
            return;
        }
        self.seen.insert(sender, epoch_ms);
        let clock = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        self.offsets.insert(sender, Offset { offset_ms: clock(now_ms).saturating_sub(clock(epoch_ms)), at_ms: now_ms });
        self.judge(now_ms);
    }

    fn leave(&mut self, id: &EndpointId) {
        self.members.remove(id);
        self.offsets.remove(id);
        self.isolated.remove(id);
    }

    fn median(&self, now_ms: u64, max_age_ms: u64) -> (usize, Option<i64>) {
        let fresh = |(id, offset): (&EndpointId, &Offset)| {
            let is_fresh = now_ms.saturating_sub(offset.at_ms) <= max_age_ms && self.is_member(id, now_ms);
            is_fresh.then_some(offset.offset_ms)
        };
        let offsets: Vec<_> = self.offsets.iter().filter_map(fresh).collect();
        (offsets.len(), self.config.median(offsets))
    }

    /// Decides whose clocks are not believed; without a median it stays as it is.
    fn judge(&mut self, now_ms: u64) {
        if now_ms < self.joined_at_ms.saturating_add(self.config.grace_period_ms) {
            return;
        }
        if let (_, Some(median)) = self.median(now_ms, u64::MAX) {
            let drifting = self.offsets.iter().filter(|(_, offset)| self.config.drifts(offset.offset_ms, median));
            self.isolated = drifting.map(|(id, _)| *id).collect();
        }
    }

    /// Forgets orders that the window makes superfluous, and clocks of those who have left.
    fn forget(&mut self, now_ms: u64) {
        let kept = now_ms.saturating_sub(self.config.replay_window_ms.saturating_mul(2));
        self.floors.retain(|_, floor| *floor >= kept);
        let Self { members, offsets, seen, .. } = self;
        seen.retain(|id, epoch| *epoch >= kept || members.contains_key(id));
        offsets.retain(|id, _| members.contains_key(id));
    }

    /// Lets time pass: members whose credential has expired leave, and our own clock is judged.
    pub fn tick(&mut self, now_ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        let expired: Vec<_> = self.members.iter().filter(|(_, at)| **at <= now_ms).map(|(id, _)| *id).collect();
        for id in expired {
            self.leave(&id);
            effects.push(Effect::Left(id));
        }
        self.forget(now_ms);
        self.judge(now_ms);
        effects.extend(self.judge_ourselves(now_ms));
        effects
    }

    /// A minority cannot eject us: more than half of the others must agree that our clock is wrong.
    fn judge_ourselves(&mut self, now_ms: u64) -> Option<Effect> {
        let in_grace = now_ms < self.joined_at_ms.saturating_add(self.config.grace_period_ms);
        let (count, median) = self.median(now_ms, self.config.lease_heartbeat_ms.saturating_mul(2));
        let median = median.filter(|_| count * 2 > self.members.len() && !in_grace)?;
        let is_wrong = self.config.drifts(median, 0);
        match (self.is_dead, is_wrong) {
            (false, true) => {
                self.is_dead = true;
                self.right_since_ms = None;
                Some(Effect::SelfDepart)
            }
            (true, false) => {
                let since = *self.right_since_ms.get_or_insert(now_ms);
                if now_ms.saturating_sub(since) < self.config.grace_period_ms {
                    return None;
                }
                self.is_dead = false;
                self.right_since_ms = None;
                Some(Effect::Rejoin)
            }
            (true, true) => {
                self.right_since_ms = None;
                None
            }
            (false, false) => None,
        }
    }
}

fn introduced(message: &Envelope, verify: VerifyProducer<'_>) -> Option<Box<Credential>> {
    let credential = Credential::parse_producer(&message.payload).ok()?;
    verify(&credential, message.sender).ok()?;
    Some(Box::new(credential))
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;

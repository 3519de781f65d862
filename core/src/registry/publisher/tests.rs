use std::sync::atomic::AtomicU64;

use serde_json::json;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use super::super::bundle::tests::contract;
use super::super::circle::Standing;
use super::super::discovery::{Discovery, Wanted};
use super::super::memory::{MemoryArchive, MemoryBoard, Sheet};
use super::super::resolve::Query;
use super::*;
use crate::clock::FixedClock;
use crate::keys as signing;

/// Load in hundredths.
#[derive(Default)]
struct Body(AtomicU64);

impl Vitals for Body {
    fn addr(&self) -> NodeAddr {
        NodeAddr { direct_addresses: vec!["127.0.0.1:1".to_owned()], ..NodeAddr::default() }
    }

    fn load(&self) -> f64 {
        self.0.load(Ordering::SeqCst) as f64 / 100.0
    }
}

/// A producer in memory.
struct Desk {
    publisher: Arc<Publisher>,
    mirror: Arc<Mirror>,
    body: Arc<Body>,
    closing: CancellationToken,
    running: Vec<JoinHandle<()>>,
}

struct House {
    sheet: Arc<Sheet>,
    archive: Arc<MemoryArchive>,
    clock: Arc<FixedClock>,
    topic: broadcast::Sender<Bytes>,
    told: Arc<Told>,
}

/// Keeps what other producers are told.
#[derive(Default)]
struct Told(Mutex<Vec<Notice>>);

impl Herald for Told {
    fn tell(&self, notice: Notice) {
        lock(&self.0).push(notice);
    }
}

impl House {
    fn new() -> Self {
        let clock = Arc::new(FixedClock::new(1_000_000));
        Self {
            sheet: Arc::default(),
            archive: Arc::default(),
            clock,
            topic: broadcast::channel(64).0,
            told: Arc::default(),
        }
    }

    fn options(&self, author: u8, creator: u8) -> PublisherOptions {
        let (node_seed, public) = signing::generate().unwrap();
        PublisherOptions {
            endpoint: EndpointId(public),
            node_seed,
            owner: Owner { author: Author([author; 32]), creator: Author([creator; 32]) },
            channel: "rpc".to_owned(),
            language: "rust",
            lease_epoch: 5,
            refresh: Duration::from_millis(300),
            manifests: Vec::new(),
        }
    }

    fn desk(&self, options: PublisherOptions) -> Desk {
        let ledger = self.sheet.ledger(options.owner.author);
        let standing = Standing::Member { endpoint: options.endpoint, owner: options.owner };
        let board: Arc<dyn Board> = MemoryBoard::new(&self.topic);
        let mirror = Mirror::new(ledger, Some(board.clone()), self.clock.clone(), standing, Vec::new());
        let body = Arc::new(Body::default());
        let offers = vec![Offer { contract: contract(), modes: vec!["fory1".to_owned()] }];
        let (archive, clock) = (self.archive.clone(), self.clock.clone());
        let outlets = Outlets { board: Some(board), mesh: Some(self.told.clone()) };
        let publisher = Publisher::new(mirror.clone(), archive, outlets, clock, body.clone(), options, offers);
        Desk { publisher, mirror, body, closing: CancellationToken::new(), running: Vec::new() }
    }

    /// Returns what a consumer sees that came by this endpoint.
    async fn consumer(&self, endpoint: EndpointId) -> Arc<Mirror> {
        let ledger = self.sheet.ledger(Author([0; 32]));
        let mirror = Mirror::new(ledger, None, self.clock.clone(), Standing::AdmittedBy(endpoint), Vec::new());
        mirror.look().await.unwrap();
        mirror
    }
}

impl Desk {
    fn start(mut self) -> Self {
        for work in [
            tokio::spawn(self.mirror.clone().run(self.closing.clone())),
            tokio::spawn(self.publisher.clone().run(self.closing.clone())),
        ] {
            self.running.push(work);
        }
        self
    }

    async fn stop(self) {
        self.closing.cancel();
        for work in self.running {
            work.await.unwrap();
        }
    }

    fn lease(&self, house: &House) -> Option<EndpointLease> {
        let options = &self.publisher.options;
        let key = keys::lease_key("Library", contract().id(), &options.endpoint.to_string());
        EndpointLease::parse(house.sheet.text(options.owner.author, &key)?.as_bytes()).ok()
    }

    async fn lease_where(&self, house: &House, is_it: impl Fn(&EndpointLease) -> bool) -> EndpointLease {
        loop {
            match self.lease(house) {
                Some(lease) if is_it(&lease) => return lease,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

/// Time to find a contract; half of it for the document.
const WITHIN: Duration = Duration::from_millis(600);

fn library() -> Query {
    Query { service: "Library".to_owned(), ..Query::default() }
}

fn wanted(producer: EndpointId) -> Wanted {
    Wanted { service: "Library".to_owned(), version: 2, contract_id: contract().id().to_owned(), producer }
}

#[tokio::test]
async fn a_service_is_published_found_verified_and_withdrawn() {
    let house = House::new();
    let desk = house.desk(house.options(1, 1)).start();
    let endpoint = desk.publisher.options.endpoint;
    let lease = desk.lease_where(&house, |_| true).await;
    assert_eq!((lease.health_status.as_str(), lease.lease_seq, lease.lease_epoch), ("ready", 1, 5));
    assert_eq!(lease.lease_expires_epoch_ms, 1_045_000);
    assert!(!desk.publisher.is_failing());

    let consumer = house.consumer(endpoint).await;
    assert_eq!(consumer.resolve_all(&library()).unwrap(), [lease]);
    let [artifact] = consumer.artifacts().try_into().unwrap();
    let tag = format!("aster-collection/{}", &artifact.collection_hash[..16]);
    assert_eq!(house.archive.tags.lock().unwrap().get(&tag), Some(&artifact.collection_hash));
    let discovery = Discovery::new(consumer.clone(), house.archive.clone());
    let bundle = discovery.find(&wanted(endpoint), limits::DISCOVERY_TIMEOUT).await.unwrap();
    assert_eq!(bundle.contract.id(), contract().id());

    desk.publisher.withdraw().await;
    consumer.look().await.unwrap();
    assert!(consumer.resolve_all(&library()).is_err());
    assert_eq!(consumer.explain(&library())[0].dropped.as_deref(), Some("withdrawn"));
    desk.stop().await;
}

#[tokio::test]
async fn leases_are_refreshed_and_tell_news_at_once() {
    let house = House::new();
    let desk = house.desk(house.options(1, 1)).start();
    desk.lease_where(&house, |lease| lease.lease_seq == 1).await;
    let started = Instant::now();
    house.clock.set(1_015_000);
    let second = desk.lease_where(&house, |lease| lease.lease_seq == 2).await;
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(200), "{waited:?}");
    assert_eq!(second.lease_expires_epoch_ms, 1_060_000);

    desk.publisher.set_health("degraded").unwrap();
    desk.lease_where(&house, |lease| lease.health_status == "degraded").await;
    desk.publisher.set_health("ready").unwrap();
    desk.lease_where(&house, |lease| lease.health_status == "ready").await;
    for (load, health) in [(35, "ready"), (90, "degraded"), (10, "ready")] {
        desk.body.0.store(load, Ordering::SeqCst);
        let lease = desk.lease_where(&house, |lease| lease.load == Some(load as f64 / 100.0)).await;
        assert_eq!(lease.health_status, health);
    }
    desk.publisher.drain();
    desk.publisher.set_health("ready").unwrap();
    desk.lease_where(&house, |lease| lease.health_status == "draining").await;
    assert!(desk.publisher.set_health("asleep").is_err());
    desk.stop().await;
    // Other producers are told the same.
    let told = std::mem::take(&mut *lock(&house.told.0));
    let Some(Notice::Contract { collection_hash, .. }) = told.first() else { panic!("{told:?}") };
    assert!(house.archive.collections.lock().unwrap().contains_key(collection_hash));
    for wanted in ["READY", "DEGRADED", "DRAINING"] {
        let is_told = |notice: &Notice| matches!(notice, Notice::Lease { health, .. } if health == wanted);
        assert!(told.iter().any(is_told), "{wanted}");
    }
}

#[tokio::test]
async fn a_failing_step_is_told_and_tried_again() {
    let house = House::new();
    house.archive.weather.archive_fails.store(true, Ordering::SeqCst);
    let desk = house.desk(house.options(1, 1)).start();
    while !desk.publisher.is_failing() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(desk.lease(&house).is_none());
    house.archive.weather.archive_fails.store(false, Ordering::SeqCst);
    desk.lease_where(&house, |_| true).await;
    assert!(!desk.publisher.is_failing());
    // A document that cannot be written ends nothing either.
    house.sheet.weather.ledger_fails.store(true, Ordering::SeqCst);
    desk.publisher.set_health("degraded").unwrap();
    while !desk.publisher.is_failing() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    house.sheet.weather.ledger_fails.store(false, Ordering::SeqCst);
    desk.lease_where(&house, |lease| lease.health_status == "degraded").await;
    assert!(!desk.publisher.is_failing());
    desk.stop().await;
}

#[tokio::test]
async fn a_restart_writes_nothing_that_is_there_and_changes_replace_the_old_collection() {
    let house = House::new();
    let options = house.options(1, 1);
    let desk = house.desk(options.clone()).start();
    desk.lease_where(&house, |_| true).await;
    desk.stop().await;
    let records = || {
        let records = house.sheet.records.lock().unwrap();
        let lasting = records.iter().filter(|((key, _), _)| !key.contains("/endpoints/"));
        lasting.map(|(key, record)| (key.clone(), record.timestamp)).collect::<Vec<_>>()
    };
    let before = records();
    house.clock.set(2_000_000);
    let desk = house.desk(PublisherOptions { lease_epoch: 6, ..options.clone() }).start();
    desk.lease_where(&house, |lease| lease.lease_epoch == 6).await;
    assert_eq!(records(), before);
    desk.stop().await;

    // Now with a manifest that knows its version.
    let mut rich = contract().manifest();
    rich["semver"] = json!("2.0.1");
    let other = house.archive.put(vec![("of somebody else".to_owned(), Bytes::new())]);
    house.archive.tags.lock().unwrap().insert("aster-collection/other".to_owned(), other);
    let desk = house.desk(PublisherOptions { lease_epoch: 7, manifests: vec![rich], ..options }).start();
    desk.lease_where(&house, |lease| lease.lease_epoch == 7).await;
    let text = house.sheet.text(Author([1; 32]), &keys::manifest_key(contract().id())).unwrap();
    assert!(text.contains("2.0.1"));
    assert_eq!(house.archive.tags.lock().unwrap().len(), 2, "the old tag is gone, that of others stays");
    desk.stop().await;
}

#[tokio::test]
async fn a_second_producer_counts_once_it_is_allowed() {
    let house = House::new();
    let oslo = house.desk(house.options(1, 1)).start();
    let lima = house.desk(house.options(2, 1)).start();
    oslo.lease_where(&house, |_| true).await;
    lima.lease_where(&house, |_| true).await;
    let at = |desk: &Desk| desk.publisher.options.endpoint;
    let count = async |endpoint| house.consumer(endpoint).await.resolve_all(&library()).map_or(0, |all| all.len());
    assert_eq!(count(at(&oslo)).await, 1);
    assert_eq!(count(at(&lima)).await, 2, "who came by it believes its own lease");
    assert!(lima.publisher.allow_author(&"02".repeat(32)).await.is_err(), "not an admin");
    assert!(oslo.publisher.allow_author("02").await.is_err());
    oslo.publisher.allow_author(&"02".repeat(32)).await.unwrap();
    oslo.publisher.allow_author(&"02".repeat(32)).await.unwrap();
    assert_eq!(count(at(&oslo)).await, 2);
    for desk in [oslo, lima] {
        desk.stop().await;
    }
}

#[tokio::test]
async fn an_old_value_counts_until_the_new_one_is_here_which_is_fetched_if_it_must_be() {
    let house = House::new();
    let oslo = house.desk(house.options(1, 1)).start();
    let lima = house.desk(house.options(2, 1)).start();
    oslo.lease_where(&house, |_| true).await;
    lima.lease_where(&house, |_| true).await;
    oslo.publisher.allow_author(&"02".repeat(32)).await.unwrap();
    let consumer = house.consumer(oslo.publisher.options.endpoint).await;
    let count = || consumer.resolve_all(&library()).map_or(0, |all| all.len());
    assert_eq!(count(), 2);
    let list = Bytes::from("[]");
    house.sheet.write(Author([1; 32]), keys::ACL_WRITERS, list.clone(), false);
    consumer.look().await.unwrap();
    assert_eq!(count(), 2, "the list before");
    house.sheet.late.lock().unwrap().insert(hex::encode(signing::digest(&list)), list);
    let closing = CancellationToken::new();
    let running = tokio::spawn(consumer.clone().run(closing.clone()));
    let mut looks = consumer.looks();
    while count() != 1 {
        looks.changed().await.unwrap();
    }
    closing.cancel();
    running.await.unwrap();
    for desk in [oslo, lima] {
        desk.stop().await;
    }
}

#[tokio::test]
async fn tr25_contracts_are_found_inline_or_collected_within_their_times_or_not_at_all() {
    let house = House::new();
    let desk = house.desk(house.options(1, 1)).start();
    let endpoint = desk.publisher.options.endpoint;
    desk.lease_where(&house, |_| true).await;
    desk.stop().await;
    let (author, id) = (Author([1; 32]), contract().id().to_owned());
    let find = async || {
        let consumer = house.consumer(endpoint).await;
        let closing = CancellationToken::new();
        let running = tokio::spawn(consumer.clone().run(closing.clone()));
        let started = Instant::now();
        let discovery = Discovery::new(consumer, house.archive.clone());
        let found = (discovery.find(&wanted(endpoint), WITHIN).await, started.elapsed());
        closing.cancel();
        running.await.unwrap();
        found
    };
    assert!(find().await.0.is_ok());

    // The manifest is somebody else's: the collection is taken, at once.
    let key = keys::manifest_key(&id);
    let good = house.sheet.text(author, &key).unwrap();
    house.sheet.write(author, &key, good.replacen("title", "titel", 1), true);
    assert!(find().await.0.is_ok());

    // It is on its way for ever.
    house.sheet.write(author, &key, format!("{good} "), false);
    let (found, time) = find().await;
    assert!(found.is_ok() && time >= WITHIN / 2, "{time:?}");

    // The collection was tampered with.
    let (hash, mut files) =
        house.archive.collections.lock().unwrap().iter().next().map(|(h, f)| (h.clone(), f.clone())).unwrap();
    files[1].1 = Bytes::from_static(b"tampered");
    house.archive.collections.lock().unwrap().insert(hash, files);
    let error = find().await.0.unwrap_err();
    assert!(error.message().contains("the collection does not verify"), "{error}");

    // Foreign authors are not even looked at.
    house.archive.collections.lock().unwrap().clear();
    house.sheet.write(Author([7; 32]), &key, good.clone(), true);
    assert!(find().await.0.is_err());
    house.sheet.write(author, &key, good, true);
    assert!(find().await.0.is_ok());
}

#[tokio::test]
async fn hints_only_make_readers_look_earlier() {
    let house = House::new();
    let desk = house.desk(PublisherOptions { refresh: Duration::from_secs(60), ..house.options(1, 1) }).start();
    desk.lease_where(&house, |_| true).await;
    let ledger = house.sheet.ledger(Author([0; 32]));
    let board: Arc<dyn Board> = MemoryBoard::new(&house.topic);
    let standing = Standing::AdmittedBy(desk.publisher.options.endpoint);
    let reader = Mirror::new(ledger, Some(board), house.clock.clone(), standing, Vec::new());
    let closing = CancellationToken::new();
    let running = tokio::spawn(reader.clone().run(closing.clone()));
    let mut looks = reader.looks();
    looks.changed().await.unwrap();
    let first = *looks.borrow_and_update();
    let flooded = Instant::now();
    for number in 0..1000 {
        let text = if number % 2 == 0 { "{\"type\":2}" } else { "{\"type\"" };
        let _ = house.topic.send(Bytes::from_static(text.as_bytes()));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let more = *looks.borrow() - first;
    let seconds = flooded.elapsed().as_secs();
    assert!((1..=seconds + 2).contains(&more), "{more} looks in {seconds} s of floods");
    assert_eq!(reader.resolve_all(&library()).unwrap().len(), 1);
    closing.cancel();
    running.await.unwrap();
    desk.stop().await;
}

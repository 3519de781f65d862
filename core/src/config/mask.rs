//! What of secrets may be shown (`config.md` section 5).

use crate::keys;
use crate::ticket::Ticket;

/// Characters of a ticket with a credential that are shown.
const TICKET_SHOWN: usize = 14;

/// Returns what stands for a seed: the end of the endpoint id that it makes.
pub(super) fn secret_key(seed: &[u8; 32]) -> String {
    let id = keys::endpoint_id(seed).to_string();
    format!("****...{}", id.get(56..).unwrap_or_default())
}

/// Returns the end of a path.
pub(super) fn path(path: &str) -> String {
    let length = path.chars().count();
    format!("****...{}", path.chars().skip(length.saturating_sub(12)).collect::<String>())
}

/// Returns a URL without its login. Passwords may hold any character, so everything up to the last `@` goes.
pub(super) fn url(url: &str) -> String {
    let Some((login, host)) = url.rsplit_once('@') else { return url.to_owned() };
    let scheme = login.split_once("://").map_or("", |(scheme, _)| scheme);
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}***@{host}")
}

/// Returns an address; of a ticket with a credential, or of a damaged one, only the beginning.
pub(super) fn address(address: &str) -> String {
    let is_ticket = address.trim_start().starts_with("aster1");
    let is_harmless = || Ticket::parse(address.trim()).is_ok_and(|ticket| ticket.credential.is_none());
    if !is_ticket || is_harmless() {
        return address.to_owned();
    }
    format!("{}...", address.chars().take(TICKET_SHOWN).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (given, shown) in [
            ("http://proxy:3128", "http://proxy:3128"),
            ("http://ann:s3cret@proxy:3128", "http://***@proxy:3128"),
            ("http://ann:s3/cr@et@proxy:3128/a", "http://***@proxy:3128/a"),
            ("ann:s3cret@proxy", "***@proxy"),
            ("socks5://s3cret@proxy", "socks5://***@proxy"),
        ] {
            assert_eq!(url(given), shown);
        }
    }

    #[test]
    fn paths() {
        assert_eq!(path("/etc/aster/my-agent.cred"), "****...y-agent.cred");
        assert_eq!(path("a.cred"), "****...a.cred");
    }

    #[test]
    fn damaged_tickets_are_cut() {
        assert_eq!(address("aster1zzzzzzzzzzzzzzzzzzzz"), "aster1zzzzzzzz...");
        let id = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
        assert_eq!(address(id), id);
    }
}

//! JSON for people: what fits on a line is on one, and the keys keep their order.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Columns of a line.
const WIDTH: usize = 100;

/// Lays a JSON text out anew. What is no JSON stays as it is.
pub(super) fn fold(text: &str) -> String {
    match serde_json::from_str::<Node>(text) {
        Ok(node) => node.lay_out(0),
        Err(_) => text.to_owned(),
    }
}

enum Node {
    Plain(Value),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    fn lay_out(&self, depth: usize) -> String {
        let line = self.on_one_line();
        if depth > 0 && line.len() + 2 * depth <= WIDTH {
            return line;
        }
        let (inner, outer) = ("  ".repeat(depth + 1), "  ".repeat(depth));
        match self {
            Self::Plain(_) => line,
            Self::List(items) => {
                let lines: Vec<String> =
                    items.iter().map(|item| format!("{inner}{}", item.lay_out(depth + 1))).collect();
                format!("[\n{}\n{outer}]", lines.join(",\n"))
            }
            Self::Object(entries) => {
                let entry = |(key, value): &(String, Self)| format!("{inner}{key:?}: {}", value.lay_out(depth + 1));
                let lines: Vec<String> = entries.iter().map(entry).collect();
                format!("{{\n{}\n{outer}}}", lines.join(",\n"))
            }
        }
    }

    fn on_one_line(&self) -> String {
        match self {
            Self::Plain(value) => value.to_string(),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::on_one_line).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Object(entries) => {
                let entries: Vec<String> =
                    entries.iter().map(|(key, value)| format!("{key:?}: {}", value.on_one_line())).collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Plain(Value::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Plain(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = object.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_on_one_line_and_keys_keep_their_order() {
        let text = r#"{"z": "0.2.0", "ip4": {"ip": "10.244.0.2/16", "routes": [{"dst": "0.0.0.0/0"}]}, "dns": {}}"#;
        let folded = "{\n  \"z\": \"0.2.0\",\n  \"ip4\": {\"ip\": \"10.244.0.2/16\", \"routes\": [{\"dst\": \"0.0.0.0/0\"}]},\n  \"dns\": {}\n}";
        assert_eq!(fold(text), folded);
        assert_eq!(fold(&fold(text)), folded);
    }

    #[test]
    fn what_does_not_fit_is_folded() {
        let list: Vec<String> = (0..30).map(|number| format!("item {number}")).collect();
        let folded = fold(&format!("{{\"list\": {list:?}}}"));
        assert_eq!(folded.lines().count(), 34);
        assert!(folded.lines().all(|line| line.len() <= WIDTH));
    }

    #[test]
    fn other_text_is_left_alone() {
        assert_eq!(fold("no JSON"), "no JSON");
    }
}

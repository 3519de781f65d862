//! The messages of `bench/codec/messages.json` as a program in Rust would have them.

use fory::ForyStruct;
use serde::Deserialize;

#[derive(ForyStruct, Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Small {
    pub text: String,
}

#[derive(ForyStruct, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub id: i64,
    pub customer: String,
    pub email: String,
    pub note: Option<String>,
    pub created_ms: i64,
    pub priority: i32,
    pub total: f64,
    pub discount: f64,
    pub paid: bool,
    pub lines: Vec<Line>,
}

#[derive(ForyStruct, Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Line {
    pub sku: String,
    pub name: String,
    pub qty: i64,
    pub price: f64,
    pub gift: bool,
}

#[derive(ForyStruct, Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Rows {
    pub rows: Vec<Line>,
}

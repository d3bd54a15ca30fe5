//! A policy in Rust that runs a policy in JavaScript.
//!
//! `policy build` calls [`load`] once, keeps the memory that this leaves behind, and wraps it into a component. So a
//! request starts with the policy's modules compiled and evaluated.

#![cfg(target_arch = "wasm32")]

mod answers;
mod call;
mod clock;
mod host;
mod lease;
mod load;
mod modules;
mod subject;

use gingham_sdk::{
    Adopted, AdoptionHook, Answer, ClusterPolicy, Context, Ended, Grid, IpNet, IpRange, Policy, Pool, Problem, Refusal,
    ReleaseHook, Request,
};
use serde_json::Value;

use answers::{AnswerText, BlockText, GridText, PoolText, RangeText};
use subject::{Subject, during};

struct Script;

impl Policy for Script {
    type Config = Value;

    fn check_config(config: &Value, context: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        let subject = Subject { context: Some(context), ..Subject::default() };
        let declared: Vec<PoolText> = during(&subject, || call::returned("checkConfig", &[config.clone()]))
            .map_err(call::Refused::into_problems)?;
        Ok(declared.into_iter().map(|pool| pool.into_pool().unwrap_or_else(|text| call::fail(&text))).collect())
    }

    fn allocate(_: &Value, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let subject = Subject { context: Some(request.context()), request: Some(request), ..Subject::default() };
        let answer: AnswerText =
            during(&subject, || call::returned("allocate", &[])).map_err(call::Refused::into_refusal)?;
        Ok(answer.into_answer(pools).unwrap_or_else(|text| call::fail(&text)))
    }
}

impl ReleaseHook for Script {
    fn release(_: &Value, context: &Context, ended: &Ended) {
        let subject = Subject { context: Some(context), ended: Some(ended), ..Subject::default() };
        during(&subject, || call::hook("release"));
    }
}

impl AdoptionHook for Script {
    fn adopt(_: &Value, context: &Context, adopted: &Adopted) {
        let subject = Subject { context: Some(context), adopted: Some(adopted), ..Subject::default() };
        during(&subject, || call::hook("adopt"));
    }
}

impl ClusterPolicy for Script {
    fn blocks(_: &Value, context: &Context) -> Result<Vec<Grid>, Vec<Problem>> {
        let subject = Subject { context: Some(context), ..Subject::default() };
        let grids: Vec<GridText> =
            during(&subject, || call::returned("blocks", &[])).map_err(call::Refused::into_problems)?;
        Ok(grids.into_iter().map(|grid| grid.into_grid().unwrap_or_else(|text| call::fail(&text))).collect())
    }

    fn share(config: &Value, members: &[String], member: &str) -> Result<Vec<IpRange>, Refusal> {
        let arguments = [config.clone(), members.into(), member.into()];
        let ranges: Vec<RangeText> =
            during(&Subject::default(), || call::returned("share", &arguments)).map_err(call::Refused::into_refusal)?;
        Ok(ranges.into_iter().map(|range| range.0).collect())
    }

    fn next_block(_: &Value, context: &Context, grid: usize) -> Result<IpNet, Refusal> {
        let subject = Subject { context: Some(context), ..Subject::default() };
        let block: BlockText =
            during(&subject, || call::returned("nextBlock", &[grid.into()])).map_err(call::Refused::into_refusal)?;
        Ok(block.0)
    }
}

gingham_sdk::policy!(Script, release, adoption, cluster);

//! Refuses, and tells everybody who reads the refusal what the pod is and which annotations it has.

use hostile_guests::{Answer, Refusal, Request, Sinner};

struct RepeatsTheRequest;

impl Sinner for RepeatsTheRequest {
    fn allocate(_config: &str, request: &Request) -> Result<Answer, Refusal> {
        let pod = [request.pod_namespace(), request.pod_name(), request.pod_uid()].map(Option::unwrap_or_default);
        let annotations: Vec<String> =
            request.annotations().into_iter().map(|(key, value)| key + "=" + &value).collect();
        Err(Refusal::Denied(format!("pod {} annotated {}", pod.join("/"), annotations.join(","))))
    }
}

hostile_guests::policy!(RepeatsTheRequest);

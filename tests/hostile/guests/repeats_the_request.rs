//! Refuses, and tells everybody who reads the refusal what the pod is and which annotations it has.

use hostile_guests::{Answer, Fact, Refusal, Request, Sinner};

struct RepeatsTheRequest;

impl Sinner for RepeatsTheRequest {
    fn allocate(_config: &str, request: &Request) -> Result<Answer, Refusal> {
        let text = |fact| if let Fact::Known(text) = fact { text } else { String::new() };
        let pod = [request.pod_namespace(), request.pod_name(), request.pod_uid()].map(text);
        let annotations = request.pod_annotations().unwrap_or_default().into_iter();
        let annotations: Vec<String> = annotations.map(|(key, value)| key + "=" + &value).collect();
        Err(Refusal::denied(&format!("pod {} annotated {}", pod.join("/"), annotations.join(","))))
    }
}

hostile_guests::policy!(RepeatsTheRequest);

//! The page for browsers, served beside the API: four files of fixed names, compiled in, so that
//! a gateway needs no folder beside it and always serves the page that fits its API.

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{
        HeaderMap, HeaderValue, Response, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
    },
    middleware::{self, Next},
    response::IntoResponse,
    routing::get,
};
use sha2::{Digest as _, Sha256};

/// A file of the page.
#[derive(Debug)]
struct PageFile {
    path: &'static str,
    content_type: &'static str,
    content: &'static [u8],
    etag: HeaderValue,
}

/// Everything is refused that the page does not need. It loads nothing from other hosts, and its
/// scripts are files, so text from a model that ends up in the page as HTML cannot run.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// Headers of every response of the page.
const HEADERS: [(&str, &str); 5] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
];

static FILES: LazyLock<[Arc<PageFile>; 4]> = LazyLock::new(|| {
    [
        file(
            "/",
            "text/html; charset=utf-8",
            include_bytes!("../../../client/web/dist/index.html"),
        ),
        file(
            "/app.js",
            "text/javascript; charset=utf-8",
            include_bytes!("../../../client/web/dist/app.js"),
        ),
        file(
            "/app.css",
            "text/css; charset=utf-8",
            include_bytes!("../../../client/web/dist/app.css"),
        ),
        file("/icon.svg", "image/svg+xml", include_bytes!("../../../client/web/dist/icon.svg")),
    ]
});

fn file(path: &'static str, content_type: &'static str, content: &'static [u8]) -> Arc<PageFile> {
    let digest = Sha256::digest(content);
    let hex: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    let etag = HeaderValue::try_from(format!("\"{hex}\"")).expect("hex digits in quotes");
    Arc::new(PageFile { path, content_type, content, etag })
}

/// The routes of the page if it is `enabled`, and `grpc` for all other paths. A request to another
/// path that is not gRPC is answered with 404: the gRPC routes would answer it with a gRPC status
/// that a browser shows as an empty page.
pub(super) fn in_front_of(grpc: Router, enabled: bool) -> Router {
    let grpc = grpc.layer(middleware::from_fn(only_grpc));
    let mut router = Router::new();
    if enabled {
        for file in FILES.iter() {
            let served = Arc::clone(file);
            let handler = move |headers: HeaderMap| async move { serve(&served, &headers) };
            router = router.route(file.path, get(handler));
        }
    }
    router.fallback_service(grpc)
}

/// Fixed names mean that a new gateway has other content under the same names. So the browser asks
/// each time (`no-cache`), and gets 304 without content if nothing has changed.
fn serve(file: &PageFile, request: &HeaderMap) -> Response<Body> {
    let known = request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| tag.trim().trim_start_matches("W/") == file.etag);
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, file.content_type)], file.content).into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ETAG, file.etag.clone());
    response
}

async fn only_grpc(request: Request, next: Next) -> Response<Body> {
    let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    if content_type.is_some_and(|value| value.starts_with(b"application/grpc")) {
        next.run(request).await
    } else {
        (StatusCode::NOT_FOUND, "not found: this port serves gRPC and gRPC-Web\n").into_response()
    }
}

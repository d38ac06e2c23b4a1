//! The page for browsers, served beside the API: a few files, compiled in, so that a gateway needs
//! no folder beside it and always serves the page that fits its API.

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
#[derive(Clone, Debug)]
struct PageFile {
    path: String,
    content_type: &'static str,
    content: &'static [u8],
    etag: HeaderValue,
    cache_control: &'static str,
}

/// A new gateway has other content under the same names. So the browser asks each time, and gets
/// 304 without content if nothing has changed.
const ASK_EACH_TIME: &str = "no-cache";

/// For a name that has the hash of the content.
const NEVER_CHANGES: &str = "max-age=31536000, immutable";

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

static FILES: LazyLock<[Arc<PageFile>; 5]> = LazyLock::new(|| {
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
        later(include_bytes!("../../../client/web/dist/later.js")),
    ]
});

fn file(path: &str, content_type: &'static str, content: &'static [u8]) -> Arc<PageFile> {
    let etag = format!("\"{}\"", hash(content));
    Arc::new(PageFile {
        path: path.to_owned(),
        content_type,
        content,
        etag: HeaderValue::try_from(etag).expect("hex digits in quotes"),
        cache_control: ASK_EACH_TIME,
    })
}

/// The script that the page loads when it is first needed, maybe days after the others, and maybe
/// from a gateway of another version. So the page asks for it by its hash: what does not fit is not
/// found.
fn later(content: &'static [u8]) -> Arc<PageFile> {
    let path = format!("/later.{}.js", hash(content));
    let file = Arc::unwrap_or_clone(file(&path, "text/javascript; charset=utf-8", content));
    Arc::new(PageFile { cache_control: NEVER_CHANGES, ..file })
}

/// The first 12 bytes of the SHA-256 of a content, in hex. `client/web/build.mjs` computes it too.
fn hash(content: &[u8]) -> String {
    Sha256::digest(content).iter().take(12).map(|byte| format!("{byte:02x}")).collect()
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
            router = router.route(&file.path, get(handler));
        }
    }
    router.fallback_service(grpc)
}

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
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(file.cache_control));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_for_the_later_script_by_its_path() {
        let page = str::from_utf8(include_bytes!("../../../client/web/dist/app.js"));
        let later = FILES.iter().find(|file| file.path.starts_with("/later."));
        let path = &later.expect("a later script").path;
        assert!(page.expect("UTF-8").contains(&format!("import(\".{path}\")")), "{path}");
    }
}

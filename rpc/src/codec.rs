use std::marker::PhantomData;

use prost::{Message, Name, bytes::Buf};
use solvemesh::{UnknownField, unknown_field};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder},
};
use tonic_prost::ProstEncoder;

/// The start of the message of a status for a request with an unknown field.
const UNKNOWN_FIELD: &str = "unknown field ";

/// The codec of a server: as `tonic_prost::ProstCodec`, but a request with a field that this
/// version of the contract does not have is refused. See [`solvemesh::unknown_field`].
#[derive(Debug)]
pub struct StrictCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for StrictCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for StrictCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Name + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = StrictDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        StrictDecoder(PhantomData)
    }
}

/// Decodes requests without unknown fields.
#[derive(Debug)]
pub struct StrictDecoder<U>(PhantomData<U>);

impl<U: Message + Name + Default> Decoder for StrictDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        if let Some(UnknownField { path, message, number }) = unknown_field(&U::full_name(), &bytes)
        {
            let text = format!("{UNKNOWN_FIELD}{number} of {message} at {path:?}");
            return Err(Status::invalid_argument(text));
        }
        // The text by which the gateway recognises tonic's own decode errors.
        let undecodable =
            |error| Status::internal(format!("failed to decode Protobuf message: {error}"));
        U::decode(bytes).map(Some).map_err(undecodable)
    }
}

/// The field for which [`StrictCodec`] refused a request; `None` for any other status.
pub fn refused_field(status: &Status) -> Option<UnknownField> {
    let rest = status.message().strip_prefix(UNKNOWN_FIELD)?;
    let (number, rest) = rest.split_once(" of ")?;
    let (message, path) = rest.split_once(" at ")?;
    Some(UnknownField {
        path: path.trim_matches('"').to_owned(),
        message: message.to_owned(),
        number: number.parse().ok()?,
    })
}

"""Payloads without a stream: one direction of one call in a codec of the bus. In _stream.pyx."""


cdef class PayloadDecoder:
    cdef rm_payload_decoder core

    def __cinit__(self, encoding):
        rm_payload_decoder_use(&self.core, _encoding(encoding))

    def decode(self, bytes payload not None):
        cdef size_t size = PyBytes_GET_SIZE(payload)
        cdef bytes pcm = PyBytes_FromStringAndSize(
            NULL, 2 * rm_payload_samples(self.core.encoding, size))
        rm_payload_decode(&self.core, <const uint8_t *>PyBytes_AS_STRING(payload), size,
                          <int16_t *>PyBytes_AS_STRING(pcm))
        return pcm


cdef class PayloadEncoder:
    cdef rm_payload_encoder core

    def __cinit__(self, encoding):
        rm_payload_encoder_use(&self.core, _encoding(encoding))

    def encode(self, bytes pcm not None):
        cdef size_t size = PyBytes_GET_SIZE(pcm)
        if size % 4:
            raise LocalProtocolError(f"encode: expected pairs of 16-bit samples, got {size} bytes")
        cdef bytes payload = PyBytes_FromStringAndSize(
            NULL, size if self.core.encoding == RM_L16_16000 else size // 4)
        rm_payload_encode(&self.core, <const int16_t *>PyBytes_AS_STRING(pcm), size // 2,
                          <uint8_t *>PyBytes_AS_STRING(payload))
        return payload

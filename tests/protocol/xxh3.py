"""XXH3-64, the checksum of the protocol, with seed 0 and the algorithm's default secret.

An input of up to 240 bytes has a formula for its length. Longer ones are mixed into eight accumulators by blocks of
1,024 bytes, so that the whole need not be kept.
"""
import struct

SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")
MASK = (1 << 64) - 1
P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64_1, P64_2, P64_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P64_4, P64_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
MIX_1, MIX_2 = 0x165667919E3779F9, 0x9FB21C651E98DF25
STRIPE, BLOCK, SHORT = 64, 1024, 240  # bytes
STRIPES = BLOCK // STRIPE


def _u32(data, at):
    return int.from_bytes(data[at:at + 4], "little")


def _u64(data, at):
    return int.from_bytes(data[at:at + 8], "little")


def _fold(a, b):
    product = a * b
    return (product & MASK) ^ (product >> 64)


def _avalanche(h):
    h ^= h >> 37
    h = h * MIX_1 & MASK
    return h ^ (h >> 32)


def _avalanche_64(h):
    h ^= h >> 33
    h = h * P64_2 & MASK
    h ^= h >> 29
    h = h * P64_3 & MASK
    return h ^ (h >> 32)


def _rotate(h, bits):
    return (h << bits | h >> (64 - bits)) & MASK


def _mix(data, at, secret_at):
    return _fold(_u64(data, at) ^ _u64(SECRET, secret_at), _u64(data, at + 8) ^ _u64(SECRET, secret_at + 8))


def _short(data):
    n = len(data)
    if n == 0:
        return _avalanche_64(_u64(SECRET, 56) ^ _u64(SECRET, 64))
    if n <= 3:
        combined = data[0] << 16 | data[n >> 1] << 24 | data[n - 1] | n << 8
        return _avalanche_64(combined ^ _u32(SECRET, 0) ^ _u32(SECRET, 4))
    if n <= 8:
        h = (_u32(data, n - 4) + (_u32(data, 0) << 32)) ^ _u64(SECRET, 8) ^ _u64(SECRET, 16)
        h ^= _rotate(h, 49) ^ _rotate(h, 24)
        h = h * MIX_2 & MASK
        h = (h ^ ((h >> 35) + n)) * MIX_2 & MASK
        return h ^ (h >> 28)
    if n <= 16:
        low = _u64(data, 0) ^ _u64(SECRET, 24) ^ _u64(SECRET, 32)
        high = _u64(data, n - 8) ^ _u64(SECRET, 40) ^ _u64(SECRET, 48)
        return _avalanche(n + int.from_bytes(low.to_bytes(8, "little"), "big") + high + _fold(low, high) & MASK)
    h = n * P64_1
    if n <= 128:
        for i in range((n - 1) // 32, -1, -1):
            h += _mix(data, 16 * i, 32 * i) + _mix(data, n - 16 * (i + 1), 32 * i + 16)
        return _avalanche(h & MASK)
    h = _avalanche(h + sum(_mix(data, 16 * i, 16 * i) for i in range(8)) & MASK)
    h += sum(_mix(data, 16 * i, 16 * (i - 8) + 3) for i in range(8, n // 16))
    return _avalanche(h + _mix(data, n - 16, 136 - 17) & MASK)


# Eight words of the secret for each stripe of a block; then those for the end of a block and of the input.
_KEYS = [struct.unpack_from("<8Q", SECRET, 8 * i) for i in range(STRIPES)]
_SCRAMBLE = struct.unpack_from("<8Q", SECRET, 192 - STRIPE)
_LAST = struct.unpack_from("<8Q", SECRET, 192 - STRIPE - 7)


def _accumulate(acc, stripe, keys):
    for i, (value, key) in enumerate(zip(stripe, keys)):
        key ^= value
        acc[i ^ 1] += value
        acc[i] = acc[i] + (key & 0xFFFFFFFF) * (key >> 32) & MASK


class Xxh3:
    """A running checksum: update() with each part, digest() at any time."""

    def __init__(self, data=b""):
        self._acc = [P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1]
        self._rest = bytearray()  # not mixed in yet, and the 64 bytes before it
        self._begin = 0           # of what is not mixed in, within _rest
        self._length = 0
        self.update(data)

    def update(self, data):
        self._length += len(data)
        self._rest += data
        # The last block stays in _rest, since its end is mixed in another way.
        while len(self._rest) - self._begin > BLOCK:
            self._mix_block(self._rest[self._begin:self._begin + BLOCK])
            self._begin += BLOCK
            if self._begin > 64 * BLOCK:
                self._forget()
        self._forget()

    def digest(self):
        if self._length <= SHORT:
            return _short(self._rest)
        acc = self._acc.copy()
        rest = self._rest
        for i in range((len(rest) - self._begin - 1) // STRIPE):
            _accumulate(acc, struct.unpack_from("<8Q", rest, self._begin + STRIPE * i), _KEYS[i])
        _accumulate(acc, struct.unpack_from("<8Q", rest, len(rest) - STRIPE), _LAST)
        h = self._length * P64_1
        for i in range(0, 8, 2):
            h += _fold(acc[i] & MASK ^ _u64(SECRET, 11 + 8 * i), acc[i + 1] & MASK ^ _u64(SECRET, 19 + 8 * i))
        return _avalanche(h & MASK)

    def _mix_block(self, block):
        acc = self._acc
        for stripe, keys in zip(struct.iter_unpack("<8Q", block), _KEYS):
            _accumulate(acc, stripe, keys)
        for i, key in enumerate(_SCRAMBLE):
            a = acc[i] & MASK
            acc[i] = (a ^ (a >> 47) ^ key) * P32_1 & MASK

    def _forget(self):
        done = max(self._begin - STRIPE, 0)
        del self._rest[:done]
        self._begin -= done


def xxh3(*parts):
    h = Xxh3()
    for part in parts:
        h.update(part)
    return h.digest()

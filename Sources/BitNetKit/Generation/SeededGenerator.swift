/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers for a seed on every platform.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    package mutating func nextUnit() -> Double { Double(next() >> 11) * 0x1p-53 }
}

/// e^x for `x <= 0`, from IEEE additions and multiplications only.
///
/// The C library's `exp` may differ in the last bit between platforms, and one bit can change which
/// token a seed draws. Relative error below 1e-15; below -708 the result is 0.
func portableExp(_ x: Double) -> Double {
    guard x > -708 else { return 0 }
    // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, the first with trailing zeros, so
    // that n * high is exact.
    // Adding and subtracting 1.5 * 2^52 rounds to the nearest integer, without a library call.
    let n = (x * 1.442_695_040_888_963_4 + 0x1.8p52) - 0x1.8p52
    let r = (x - n * 0x1.62e42feep-1) - n * 0x1.a39ef35793c76p-33
    // Taylor series by Horner; the first term left out, r^14 / 14!, is below 5e-18.
    var sum = 1.0 / 6_227_020_800
    sum = sum * r + 1.0 / 479_001_600
    sum = sum * r + 1.0 / 39_916_800
    sum = sum * r + 1.0 / 3_628_800
    sum = sum * r + 1.0 / 362_880
    sum = sum * r + 1.0 / 40_320
    sum = sum * r + 1.0 / 5_040
    sum = sum * r + 1.0 / 720
    sum = sum * r + 1.0 / 120
    sum = sum * r + 1.0 / 24
    sum = sum * r + 1.0 / 6
    sum = sum * r + 1.0 / 2
    sum = sum * r + 1
    sum = sum * r + 1
    // 2^n; n is at least -1021, so it is a normal number.
    return sum * Double(bitPattern: UInt64(1023 + Int(n)) << 52)
}

import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("GGUF directories")
struct GGUFTests {
    @Test("every metadata type is read", arguments: [2, 3] as [UInt32])
    func metadata(version: UInt32) throws {
        var raw = RawGGUF.everything
        raw.version = version
        let file = try raw.open()
        #expect(file.version == Int(version))
        #expect(file.metadata.count == 15)
        #expect(try file.string("general.architecture") == "test")
        #expect(try file.int("a.u8") == 200)
        #expect(try file.int("a.i8") == -1)
        #expect(try file.int("a.u16") == 0x1234)
        #expect(try file.int("a.i16") == -2)
        #expect(try file.int("a.u32") == 70_000)
        #expect(try file.int("a.i32") == -3)
        #expect(try file.float("a.f32") == 1.5)
        #expect(try file.bool("a.bool") == true)
        #expect(try file.int("a.u64") == 1 << 32)
        #expect(try file.int("a.i64") == -1)
        #expect(try file.float("a.f64") == -1.25)
        #expect(try file.strings("a.strings").map { Array($0) } == ["", "Ġthe", "x"])
        #expect(try file.strings("a.strings")?.bytes(at: 1) == Array("Ġthe".utf8))
        #expect(try file.ints("a.ints") == [1, 3])
        #expect(file["a.nested"]?.array?.arrays?.map { $0.ints } == [[7], []])
    }

    @Test("tensors have rows first, and exactly their bytes")
    func tensors() throws {
        let raw = RawGGUF.everything
        let file = try raw.open()
        #expect(file.tensors.map { $0.name } == ["norm", "ternary", "blocks"])
        #expect(file.tensors.map { $0.shape } == [[5], [3, 128], [2, 32]])
        #expect(file.tensors.map { $0.type } == [.f32, .i2_s, .q8_0])
        #expect(file.tensors.map { $0.elementCount } == [5, 384, 64])
        #expect(file.tensors.map { $0.region.count } == [20, 128, 68])
        #expect(try file.tensor(named: "ternary")?.region.bytes == Array(raw.data[32..<160]))
        #expect(file.tensor(named: "none") == nil)
    }

    @Test("wrong types and absent keys name the file and the key")
    func typedAccess() throws {
        let file = try RawGGUF.everything.open()
        #expect(try file.int("none") == nil)
        #expect(try file.strings("none") == nil)
        #expect(
            failure { () throws(BitNetError) in try file.int("a.f32") }
                == .invalidMetadata(
                    path: "raw.gguf", key: "a.f32",
                    detail: "expected a whole number, found float32"))
        #expect(failure { () throws(BitNetError) in try file.float("a.u32") } != nil)
        #expect(failure { () throws(BitNetError) in try file.string("a.bool") } != nil)
        #expect(failure { () throws(BitNetError) in try file.bool("a.u8") } != nil)
        #expect(failure { () throws(BitNetError) in try file.strings("a.ints") } != nil)
        #expect(failure { () throws(BitNetError) in try file.ints("a.strings") } != nil)
        #expect(failure { () throws(BitNetError) in try file.floats("a.ints") } != nil)
        #expect(
            failure { () throws(BitNetError) in try file.requiredInt("none") }
                == .invalidMetadata(path: "raw.gguf", key: "none", detail: "the key is missing"))
        #expect(try file.requiredString("general.architecture") == "test")
    }

    @Test("a number that does not fit in Int is an error, not a trap")
    func hugeNumber() throws {
        var raw = RawGGUF()
        raw.entry("n", type: 10, [UInt8](repeating: 0xFF, count: 8))
        let file = try raw.open()
        #expect(failure { () throws(BitNetError) in try file.int("n") }?.isInvalidMetadata == true)
    }

    @Test("tensors may use another alignment, and come in any order")
    func alignment() throws {
        var raw = RawGGUF()
        raw.alignment = 64
        raw.entry("general.alignment", u32: 64)
        raw.tensor("second", [4], type: 0, offset: 64)
        raw.tensor("first", [16], type: 0, offset: 0)
        raw.data = (0..<80).map { UInt8($0) }
        let file = try raw.open()
        #expect(file.alignment == 64)
        #expect(try file.tensor(named: "second")?.region.bytes == (64..<80).map { UInt8($0) })
    }

    @Test("a file of metadata alone is a valid file")
    func vocabularyOnly() throws {
        var raw = RawGGUF()
        raw.alignment = 1
        raw.entry("general.architecture", string: "llama")
        #expect(try raw.open().tensors.isEmpty)
    }

    @Test("a vocabulary of 200,000 strings opens without decoding them")
    func largeVocabulary() throws {
        var raw = RawGGUF()
        raw.entry("tokens", strings: (0..<200_000).map { "token \($0)" })
        let tokens = try #require(try raw.open().strings("tokens"))
        #expect(tokens.count == 200_000)
        #expect(tokens[0] == "token 0")
        #expect(tokens[123_456] == "token 123456")
        #expect(tokens.last == "token 199999")
    }

    @Test("keys and names that differ only in normalisation stay apart")
    func normalisation() throws {
        var raw = RawGGUF()
        raw.entry("caf\u{e9}", u32: 1)
        raw.entry("cafe\u{301}", u32: 2)
        // The sign of the unit kelvin is canonically the letter.
        raw.entry("K", u32: 3)
        raw.entry("\u{212A}", u32: 4)
        raw.tensor("\u{e9}", [4], type: 0, offset: 0)
        raw.tensor("e\u{301}", [8], type: 0, offset: 32)
        raw.data = [UInt8](repeating: 1, count: 64)
        let file = try raw.open()
        let keys = ["caf\u{e9}", "cafe\u{301}", "K", "\u{212A}"]
        #expect(try keys.map { try file.int($0) } == [1, 2, 3, 4])
        let checkpoint = Checkpoint(file)
        for (name, shape) in [("\u{e9}", [4]), ("e\u{301}", [8])] {
            #expect(file.tensor(named: name)?.shape == shape)
            #expect(checkpoint.tensor(named: name)?.shape == shape)
        }
        #expect(checkpoint.unused(after: ["\u{e9}"]).count == 1)
    }

    @Test("text that is not UTF-8 is kept, written again, and an error only where it is needed")
    func otherText() throws {
        var raw = RawGGUF()
        raw.entry("general.description", type: 8, [2, 0, 0, 0, 0, 0, 0, 0, 0xC3, 0x28])
        let file = try raw.open()
        #expect(file["general.description"]?.string == nil)
        #expect(file["general.description"]?.repairedText == "\u{FFFD}(")
        let error = failure { () throws(BitNetError) in try file.string("general.description") }
        #expect(error?.description.contains("not valid UTF-8") == true)
        let again = try GGUFFile(
            ByteRegion(try GGUFHeaderWriter(metadata: file.metadata, tensors: []).bytes))
        guard case .bytes(let bytes) = again["general.description"] else {
            Issue.record("the text is not kept as bytes")
            return
        }
        #expect(bytes.bytes == [0xC3, 0x28])
    }

    @Test("keys that are not UTF-8 are kept apart by their bytes")
    func otherKeys() throws {
        func file(_ keys: [[UInt8]]) -> [UInt8] {
            var bytes = RawBytes(bytes: Array("GGUF".utf8))
            bytes.u32(3)
            bytes.u64(0)
            bytes.u64(UInt64(keys.count))
            for (index, key) in keys.enumerated() {
                bytes.u64(UInt64(key.count))
                bytes.bytes += key
                bytes.u32(4)
                bytes.u32(UInt32(index))
            }
            return bytes.bytes
        }
        let keys: [[UInt8]] = [[0xE9], [0xE8], Array("\u{FFFD}".utf8)]
        let opened = try GGUFFile(ByteRegion(file(keys)))
        #expect(opened.metadata.map { $0.value.int } == [0, 1, 2])
        #expect(try opened.int("\u{FFFD}") == 2)
        let written = try GGUFHeaderWriter(metadata: opened.metadata, tensors: []).bytes
        #expect(Array(written.prefix(file(keys).count)) == file(keys))
        let twice = failure { () throws(BitNetError) in
            try GGUFFile(ByteRegion(file([[0xE9], [0xE9]])))
        }
        #expect(twice?.isMalformedFile == true)
    }

    @Test("padding may be longer than the alignment, as long as it is zeros")
    func padding() throws {
        for gap in [64, 96, 4096, 1000 * 32] {
            var raw = RawGGUF()
            raw.tensor("one", [9], type: 0, offset: 0)
            raw.tensor("two", [16], type: 0, offset: UInt64(32 + gap))
            raw.tensor("half", [16], type: 1, offset: UInt64(96 + gap))
            raw.data = [UInt8](repeating: 1, count: 36) + [UInt8](repeating: 0, count: gap - 4)
            raw.data += [UInt8](repeating: 2, count: 96) + [UInt8](repeating: 0, count: gap)
            let file = try raw.open()
            #expect(try file.tensor(named: "one")?.region.bytes == [UInt8](repeating: 1, count: 36))
            #expect(try file.tensor(named: "two")?.region.bytes == [UInt8](repeating: 2, count: 64))
            #expect(
                try file.tensor(named: "half")?.region.bytes == [UInt8](repeating: 2, count: 32))
            for place in [36 + gap / 2, raw.data.count - 1] {
                var other = raw
                other.data[place] = 7
                #expect(
                    failure { () throws(BitNetError) in try other.open() }?.isMalformedFile == true)
            }
        }
    }

    @Test("an alignment is a multiple of 8 or a power of two", arguments: [1, 2, 4, 8, 24, 48, 72])
    func alignments(_ value: Int) throws {
        var raw = RawGGUF()
        raw.alignment = value
        raw.entry("general.alignment", u32: UInt32(value))
        let second = (20 + value - 1) / value * value
        raw.tensor("one", [5], type: 0, offset: 0)
        raw.tensor("two", [1], type: 0, offset: UInt64(second))
        raw.data = [UInt8](repeating: 1, count: 20) + [UInt8](repeating: 0, count: second - 20)
        raw.data += [9, 8, 7, 6]
        let file = try raw.open()
        #expect(file.alignment == value)
        #expect(try file.tensor(named: "two")?.region.bytes == [9, 8, 7, 6])
    }

    @Test("array strings that are not UTF-8 keep their bytes")
    func invalidUTF8InArray() throws {
        var raw = RawGGUF()
        raw.entry(
            "tokens", type: 9,
            [8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0xC3, 0x28])
        let tokens = try #require(try raw.open().strings("tokens"))
        #expect(tokens.bytes(at: 0) == [0xC3, 0x28])
        #expect(tokens[0] == "\u{FFFD}(")
    }
}

@Suite("Malformed GGUF files")
struct MalformedGGUFTests {
    private func error(_ change: (inout RawGGUF) -> Void) -> BitNetError? {
        var raw = RawGGUF.everything
        change(&raw)
        return failure { () throws(BitNetError) in try raw.open() }
    }

    private func tensorError(
        _ dimensions: [UInt64], type: UInt32 = 0, offset: UInt64 = 0, data: Int = 64
    ) -> BitNetError? {
        var raw = RawGGUF()
        raw.tensor("the.tensor", dimensions, type: type, offset: offset)
        raw.data = [UInt8](repeating: 0, count: data)
        return failure { () throws(BitNetError) in try raw.open() }
    }

    @Test("wrong magic, version 1, version 4 and big-endian files are refused")
    func versions() {
        #expect(error { $0.magic = "GGML" }?.isMalformedFile == true)
        #expect(error { $0.version = 1 }?.isUnsupportedFormat == true)
        #expect(error { $0.version = 4 }?.isUnsupportedFormat == true)
        #expect(error { $0.version = 0 }?.isUnsupportedFormat == true)
        let bigEndian = error { $0.version = 0x0300_0000 }
        #expect(bigEndian?.description.contains("big-endian") == true)
    }

    @Test(
        "counts that cannot fit in the file are refused before anything is allocated",
        arguments: [1 << 20, 1 << 40, UInt64(Int.max), .max])
    func hugeCounts(count: UInt64) {
        #expect(error { $0.tensorCount = count }?.isMalformedFile == true)
        #expect(error { $0.entryCount = count }?.isMalformedFile == true)
        for elementType in [0, 5, 7, 8, 9, 12] as [UInt32] {
            var value = RawBytes()
            value.u32(elementType)
            value.u64(count)
            #expect(error { $0.entry("x", type: 9, value.bytes) }?.isMalformedFile == true)
        }
        var length = RawBytes()
        length.u64(count)
        #expect(error { $0.entry("x", type: 8, length.bytes) }?.isMalformedFile == true)
    }

    @Test("unknown value types and bad truth values are refused")
    func values() {
        #expect(error { $0.entry("x", type: 13, [0]) }?.isMalformedFile == true)
        #expect(error { $0.entry("x", type: 7, [2]) }?.isMalformedFile == true)
        #expect(
            error { $0.entry("x", type: 9, [7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2]) }?
                .isMalformedFile == true)
    }

    @Test("arrays nested deeply are an error, not a crash")
    func nesting() {
        var value: [UInt8] = []
        for _ in 0..<100_000 { value += [9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0] }
        #expect(error { $0.entry("x", type: 9, value) }?.isMalformedFile == true)
    }

    @Test("duplicate keys and duplicate tensors are refused by name")
    func duplicates() {
        #expect(error { $0.entry("a.u8", u32: 1) }?.description.contains("'a.u8'") == true)
        let tensor = error { $0.tensor("norm", [8], type: 0, offset: 256) }
        #expect(tensor?.description.contains("'norm' occurs twice") == true)
    }

    @Test(
        "an alignment that is neither a multiple of 8 nor a power of two is refused",
        arguments: [0, 3, 12, 33, 0x8000_0000])
    func alignments(value: UInt32) {
        #expect(error { $0.entry("general.alignment", u32: value) }?.isInvalidMetadata == true)
    }

    @Test("an alignment of another type is refused")
    func alignmentType() {
        #expect(error { $0.entry("general.alignment", string: "32") }?.isInvalidMetadata == true)
    }

    @Test("zero, overflowing and too many dimensions are refused")
    func dimensions() {
        #expect(tensorError([16]) == nil)
        #expect(tensorError([])?.isMalformedFile == true)
        #expect(tensorError([0])?.isMalformedFile == true)
        #expect(tensorError([16, 0])?.isMalformedFile == true)
        #expect(tensorError([4, 1, 2, 2]) == nil)
        #expect(tensorError([4, 1, 2, 2, 1])?.isMalformedFile == true)
        #expect(tensorError([.max])?.isMalformedFile == true)
        #expect(tensorError([UInt64(Int.max)])?.isMalformedFile == true)
        #expect(tensorError([1 << 32, 1 << 32])?.isMalformedFile == true)
        #expect(tensorError([1 << 31, 1 << 31])?.isMalformedFile == true)
        #expect(tensorError([1 << 62, 1], type: 8)?.isMalformedFile == true)
        #expect(tensorError([UInt64(Int.max) - 3], type: 36)?.isMalformedFile == true)
    }

    @Test("rows must be whole blocks of the type")
    func blocks() {
        #expect(tensorError([31], type: 8, data: 34)?.isMalformedFile == true)
        #expect(tensorError([16, 2], type: 8, data: 34)?.isMalformedFile == true)
        #expect(tensorError([32], type: 8, data: 34) == nil)
        #expect(tensorError([255], type: 34, data: 54)?.isMalformedFile == true)
        #expect(tensorError([130, 1], type: 36, data: 64)?.isMalformedFile == true)
        #expect(tensorError([2, 64], type: 36, data: 64) == nil)
    }

    @Test("data outside the file, unaligned and overlapping tensors are refused")
    func placement() {
        #expect(tensorError([16], data: 63)?.isMalformedFile == true)
        #expect(tensorError([16], offset: 32)?.isMalformedFile == true)
        #expect(tensorError([16], offset: 64)?.isMalformedFile == true)
        #expect(tensorError([16], offset: 8, data: 72)?.isMalformedFile == true)
        #expect(tensorError([16], offset: .max)?.isMalformedFile == true)
        #expect(tensorError([16], offset: UInt64(Int.max) - 31)?.isMalformedFile == true)
        let overlap = error {
            $0.tensor("other", [8], type: 0, offset: 0)
        }
        #expect(overlap?.isMalformedFile == true)
        let partial = error { $0.tensor("other", [8], type: 0, offset: 64) }
        #expect(partial?.isMalformedFile == true)
    }

    @Test("a tensor with more bytes than its type needs is mislabelled, and refused by name")
    func mislabelled() {
        // 16 x float32 in the file, declared as 16 x F16, before another tensor and at the end.
        var raw = RawGGUF()
        raw.tensor("wrong", [16], type: 1, offset: 0)
        raw.tensor("right", [16], type: 0, offset: 64)
        raw.data = [UInt8](repeating: 1, count: 128)
        let error = failure { () throws(BitNetError) in try raw.open() }
        #expect(error?.description.contains("'wrong'") == true)
        // Padding up to the alignment is no contradiction.
        #expect(tensorError([9], type: 0, data: 64) == nil)
        #expect(tensorError([9], type: 0, data: 36) == nil)
    }

    @Test(
        "ambiguous and unknown type ids are refused, naming the tensor and a way out",
        arguments: [
            (38, "TL1"), (39, "MXFP4"), (39, "TL2"), (42, "Q2_0"), (42, "TL2"), (99, "unknown"),
            (24, "I8"), (26, "I32"), (27, "I64"), (28, "F64"), (10, "Q2_K"), (37, "I8_S"),
            (4, "removed"), (40, "NVFP4"), (.max, "unknown"), (133, "Q6_0 of ik_llama.cpp"),
            (139, "IQ4_K of ik_llama.cpp"), (152, "IQ5_KS of ik_llama.cpp"), (142, "PQ2_0"),
            (142, "IQ2_TN"), (143, "PTQ1_0"), (143, "IQ1_TN"), (159, "unknown"),
            (212, "Q4_K_R4 of ik_llama.cpp"), (353, "MXFP4_R8 of"), (399, "Q8_K_R8 of"),
        ] as [(UInt32, String)])
    func typeIDs(id: UInt32, mentioned: String) {
        let error = tensorError([16], type: id)
        #expect(error?.isUnsupportedFormat == true)
        #expect(error?.description.contains("'the.tensor'") == true)
        #expect(error?.description.contains(mentioned) == true)
    }

    @Test("every id that llama.cpp, ik_llama.cpp or PrismML's fork has in files is known")
    func knownIDs() {
        var known = Set(UInt32(0)...42).union(133...158)
        known.formUnion([202, 206, 208])
        known.formUnion(Set(210...223).subtracting([215]))
        known.formUnion([229, 230, 233, 335, 337, 338, 339, 340, 344, 352, 353, 397, 398, 399])
        for id in (UInt32(0)...500) {
            let isUnknown = tensorError([64, 4], type: id)?.description.contains("unknown") == true
            #expect(isUnknown == !known.contains(id), "\(id)")
        }
    }
}

import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Safetensors directories")
struct SafetensorsTests {
    private func open(
        _ header: String, data: Int, length: UInt64? = nil
    ) throws(BitNetError) -> SafetensorsFile {
        try SafetensorsFile(
            ByteRegion(rawSafetensors(header, data: data, length: length), path: "x.safetensors"))
    }

    private static let good = """
        {"__metadata__": {"format": "pt"},
         "b": {"dtype": "U8", "shape": [3, 4], "data_offsets": [8, 20]},
         "a": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]},
         "scalar": {"dtype": "F32", "shape": [], "data_offsets": [20, 24]},
         "none": {"dtype": "I64", "shape": [0, 5], "data_offsets": [24, 24]}}
        """

    @Test("tensors have the types, shapes and bytes of the header")
    func tensors() throws {
        let file = try open(Self.good, data: 24)
        #expect(file.metadata == ["format": "pt"])
        #expect(file.tensors.map { $0.name } == ["b", "a", "scalar", "none"])
        #expect(file.tensors.map { $0.type } == [.packedTernary, .bf16, .f32, .i64])
        #expect(file.tensors.map { $0.shape } == [[3, 4], [2, 2], [], [0, 5]])
        #expect(file.tensors.map { $0.elementCount } == [12, 4, 1, 0])
        let start = 8 + Self.good.utf8.count
        #expect(file.tensor(named: "b")?.region.range == start + 8..<start + 20)
    }

    @Test("every dtype that is read has its type")
    func dtypes() throws {
        let types: [(String, Int, ElementType)] = [
            ("F32", 4, .f32), ("F16", 2, .f16), ("BF16", 2, .bf16), ("U8", 1, .packedTernary),
            ("I8", 1, .i8), ("I32", 4, .i32), ("I64", 8, .i64),
        ]
        for (dtype, width, type) in types {
            let header =
                #"{"t": {"dtype": "\#(dtype)", "shape": [3], "data_offsets": [0, \#(3 * width)]}}"#
            #expect(try open(header, data: 3 * width).tensors[0].type == type)
        }
    }

    @Test("unknown dtypes are refused, naming the tensor", arguments: ["F64", "I16", "Q2", "BOOL"])
    func unknownDtype(dtype: String) {
        let size = ["F64": 8, "I16": 2][dtype] ?? 1
        let header =
            #"{"t.w": {"dtype": "\#(dtype)", "shape": [1], "data_offsets": [0, \#(size)]}}"#
        let error = failure { () throws(BitNetError) in try open(header, data: size) }
        #expect(error?.isUnsupportedFormat == true)
        #expect(error?.description.contains("'t.w'") == true)
    }

    @Test(
        "offsets and shapes that contradict each other or the file are refused",
        arguments: [
            (#"{"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}"#, 7),
            (#"{"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}"#, 9),
            (#"{"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}"#, 12),
            (#"{"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}"#, 8),
            (#"{"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}"#, 8),
            (#"{"dtype": "F32", "shape": [2], "data_offsets": [0, 8, 8]}"#, 8),
            (#"{"dtype": "F32", "shape": [2], "data_offsets": [0.0, 8.0]}"#, 8),
            (#"{"dtype": "F32", "shape": [2], "data_offsets": [0, 99999999999999999999]}"#, 8),
            (#"{"dtype": "F32", "shape": [2], "data_offsets": "0"}"#, 8),
            (#"{"dtype": "F32", "shape": [2]}"#, 8),
            (#"{"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}"#, 8),
            (#"{"dtype": "F16", "shape": [2], "data_offsets": [0, 8]}"#, 8),
            (#"{"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}"#, 8),
            (
                #"{"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 8]}"#,
                8
            ),
            (#"{"dtype": "F32", "shape": [4611686018427387904, 8, 0], "data_offsets": [0, 0]}"#, 0),
            (#"{"dtype": "F32", "shape": 2, "data_offsets": [0, 8]}"#, 8),
            (#"{"shape": [2], "data_offsets": [0, 8]}"#, 8),
            ("[]", 0), ("null", 0), ("5", 0),
        ])
    func contradictions(entry: String, data: Int) {
        let error = failure { () throws(BitNetError) in try open("{\"t\": \(entry)}", data: data) }
        #expect(error?.isMalformedFile == true)
    }

    @Test("overlaps, gaps and duplicate tensors are refused")
    func spacing() {
        func error(_ second: String) -> BitNetError? {
            let first = #""a": {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]}"#
            return failure { () throws(BitNetError) in try open("{\(first), \(second)}", data: 16) }
        }
        #expect(error(#""b": {"dtype": "U8", "shape": [8], "data_offsets": [8, 16]}"#) == nil)
        for second in [
            #""b": {"dtype": "U8", "shape": [12], "data_offsets": [4, 16]}"#,
            #""b": {"dtype": "U8", "shape": [16], "data_offsets": [0, 16]}"#,
            #""b": {"dtype": "U8", "shape": [4], "data_offsets": [12, 16]}"#,
            #""b": {"dtype": "U8", "shape": [4], "data_offsets": [8, 12]}"#,
            #""a": {"dtype": "U8", "shape": [8], "data_offsets": [8, 16]}"#,
        ] {
            #expect(error(second)?.isMalformedFile == true)
        }
    }

    @Test("a header that is too long, no JSON or no object is refused")
    func headers() {
        for length in [25, 1 << 40, UInt64(Int.max), .max] as [UInt64] {
            let error = failure { () throws(BitNetError) in try open("{}", data: 16, length: length)
            }
            #expect(error?.isMalformedFile == true)
        }
        for header in ["", "[]", "{", "7", String(repeating: "[", count: 100_000)] {
            let error = failure { () throws(BitNetError) in try open(header, data: 0) }
            #expect(error?.isMalformedFile == true)
        }
        let metadata = failure { () throws(BitNetError) in
            try open(#"{"__metadata__": {"a": 1}}"#, data: 0)
        }
        #expect(metadata?.isMalformedFile == true)
    }
}

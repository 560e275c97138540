import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Writing GGUF files")
struct GGUFWriterTests {
    private static let infos = [
        AnnouncedTensor(name: "a", type: .f32, shape: [3]),
        AnnouncedTensor(name: "b", type: .i2_s, shape: [2, 128]),
    ]

    /// Writes all that `file` holds to `path`, each tensor in parts of at most `part` bytes.
    static func copy(_ file: GGUFFile, to path: String, part: Int) throws(BitNetError) {
        var writer = try GGUFWriter(
            path: path, metadata: file.metadata,
            tensors: file.tensors.map { .init(name: $0.name, type: $0.type, shape: $0.shape) })
        for tensor in file.tensors {
            var start = 0
            while start < tensor.region.count {
                let end = min(start + part, tensor.region.count)
                try writer.append(
                    try tensor.region.slice(start..<end).read(), to: tensor.name)
                start = end
            }
        }
        try writer.finish()
    }

    @Test("a file that is read and written again has the same bytes", arguments: [1, 7, 1 << 20])
    func roundTrip(part: Int) throws {
        let folder = try TemporaryFolder()
        var raw = RawGGUF.everything
        // Between tensors and after the last one the writer puts zeros.
        for range in [20..<32, 228..<256] {
            for index in range { raw.data[index] = 0 }
        }
        try Self.copy(try raw.open(), to: folder.file("copy.gguf"), part: part)
        let written = try Data(contentsOf: URL(fileURLWithPath: folder.file("copy.gguf")))
        #expect(Array(written) == raw.bytes)
        #expect(try folder.names == ["copy.gguf"])
    }

    @Test("another alignment is kept")
    func alignment() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("a.gguf")
        var writer = try GGUFWriter(
            path: path, metadata: [.init("general.alignment", .uint32(128))],
            tensors: [
                .init(name: "a", type: .f32, shape: [1]), .init(name: "b", type: .f32, shape: [1]),
            ])
        try writer.append([1, 2, 3, 4], to: "a")
        try writer.append([5, 6, 7, 8], to: "b")
        try writer.finish()
        let file = try GGUFFile(opening: path)
        #expect(file.alignment == 128)
        #expect(try file.tensors[1].region.bytes == [5, 6, 7, 8])
        #expect(file.tensors[1].region.range.lowerBound % 128 == 0)
    }

    @Test("I2_S has its codes, the scale at a quarter byte per weight, and 28 zero bytes")
    func ternary() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("a.gguf")
        let codes = (0..<64).map { UInt8($0) }
        var writer = try GGUFWriter(
            path: path,
            metadata: [
                .init("tokens", .array(GGUFArray(["a", "é"]))),
                .init("scores", .array(GGUFArray([1.5, -2] as [Float]))),
                .init("types", .array(GGUFArray([1, -3] as [Int32]))),
            ], tensors: Self.infos)
        try writer.append([UInt8](repeating: 9, count: 12), to: "a")
        try writer.append(codes, to: "b")
        try writer.appendI2SScale(1.5, to: "b")
        try writer.finish()
        let file = try GGUFFile(opening: path)
        let zeros = [UInt8](repeating: 0, count: 28)
        #expect(try file.tensors[1].region.bytes == codes + [0, 0, 0xC0, 0x3F] + zeros)
        #expect(try file.strings("tokens").map { Array($0) } == ["a", "é"])
        #expect(try file.floats("scores") == [1.5, -2])
        #expect(try file.ints("types") == [1, -3])
    }

    @Test("a writer that is not finished leaves nothing, and an existing file as it was")
    func abandoned() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("a.gguf", "precious")
        func abandon() throws {
            var writer = try GGUFWriter(path: path, metadata: [], tensors: Self.infos)
            try writer.append([UInt8](repeating: 9, count: 12), to: "a")
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
        }
        try abandon()
        #expect(try folder.names == ["a.gguf"])
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
    }

    @Test("finishing with data missing is an error that leaves nothing")
    func incomplete() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("a.gguf")
        let error = failure { () throws(BitNetError) in
            var writer = try GGUFWriter(path: path, metadata: [], tensors: Self.infos)
            try writer.append([UInt8](repeating: 9, count: 11), to: "a")
            try writer.finish()
        }
        #expect(error?.isInvalidArgument == true)
        #expect(try folder.names.isEmpty)
    }

    @Test("data for the wrong tensor, or too much of it, is refused")
    func wrongData() throws {
        let folder = try TemporaryFolder()
        var writer = try GGUFWriter(
            path: folder.file("a.gguf"), metadata: [], tensors: Self.infos)
        func refused(_ size: Int, _ name: String, _ writer: inout GGUFWriter) -> Bool {
            do {
                try writer.append([UInt8](repeating: 0, count: size), to: name)
                return false
            } catch { return error.isInvalidArgument }
        }
        #expect(refused(96, "b", &writer))
        #expect(refused(13, "a", &writer))
        try writer.append([UInt8](repeating: 0, count: 8), to: "a")
        #expect(refused(5, "a", &writer))
        try writer.append([UInt8](repeating: 0, count: 4), to: "a")
        #expect(refused(1, "a", &writer))
        try writer.append([UInt8](repeating: 0, count: 65), to: "b")
        do {
            try writer.appendI2SScale(1, to: "b")
            Issue.record("a scale after 65 bytes of codes was accepted")
        } catch { #expect(error.isInvalidArgument) }
        try writer.append([UInt8](repeating: 0, count: 31), to: "b")
        #expect(refused(1, "b", &writer))
        try writer.finish()
        #expect(try folder.names == ["a.gguf"])
    }

    @Test("impossible headers are refused before a file is made")
    func headers() throws {
        let folder = try TemporaryFolder()
        func error(
            _ metadata: [GGUFFile.Entry], _ tensors: [AnnouncedTensor]
        ) -> BitNetError? {
            failure { () throws(BitNetError) in
                try GGUFWriter(path: folder.file("a"), metadata: metadata, tensors: tensors)
            }
        }
        let twice = GGUFFile.Entry("k", .bool(true))
        #expect(error([twice, twice], [])?.isInvalidArgument == true)
        #expect(error([.init("general.alignment", .uint32(3))], [])?.isInvalidArgument == true)
        #expect(error([], [Self.infos[0], Self.infos[0]])?.isInvalidArgument == true)
        let shapes: [(ElementType, [Int])] = [
            (.f32, []), (.f32, [0]), (.f32, [-1]), (.f32, [1, 1, 1, 1, 1]), (.q8_0, [33]),
            (.i2_s, [3]), (.packedTernary, [4]), (.f32, [.max]), (.f32, [1 << 32, 1 << 32]),
        ]
        for (type, shape) in shapes {
            #expect(
                error([], [.init(name: "t", type: type, shape: shape)])?.isInvalidArgument == true)
        }
        let huge = (0..<3).map {
            AnnouncedTensor(name: "\($0)", type: .i8, shape: [Int.max / 2])
        }
        #expect(error([], huge)?.isInvalidArgument == true)
        #expect(try folder.names.isEmpty)
    }

    @Test("a target that cannot be written is an error that leaves nothing")
    func unwritable() throws {
        let folder = try TemporaryFolder()
        func write(to path: String) -> BitNetError? {
            failure { () throws(BitNetError) in
                try GGUFWriter(path: path, metadata: [], tensors: []).finish()
            }
        }
        #expect(write(to: folder.file("none/a.gguf"))?.isUnwritable == true)
        #expect(write(to: "")?.isUnwritable == true)
        // The rename fails: a folder is in the way.
        try FileManager.default.createDirectory(
            atPath: folder.file("taken"), withIntermediateDirectories: false)
        #expect(write(to: folder.file("taken"))?.isUnwritable == true)
        #expect(try folder.names == ["taken"])
        #expect(write(to: folder.file("empty.gguf")) == nil)
        #expect(try GGUFFile(opening: folder.file("empty.gguf")).tensors.isEmpty)
    }
}

import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Small models of the project's own fixtures that can be changed and written again.
enum TinyModel {
    /// BitNet graph with SiLU: I2_S, embedding BF16, tied.
    static let bitnetGGUF = Fixtures.url("reference/1bitllm-style/gguf/i2_s-embd-bf16.gguf")
    /// Llama graph with interleaved queries and keys: TQ2_0, embedding Q4_0, head Q6_K.
    static let llamaGGUF = Fixtures.url("reference/llama-bitlinear/gguf/tq2_0-embd-q4_0.gguf")
    /// BitNet graph with squared ReLU: packed, scales that multiply, untied.
    static let bitnetFolder = Fixtures.url("reference/bitnet-untied/packed")
    /// Llama graph with a norm in every linear layer: packed, scales that divide.
    static let llamaFolder = Fixtures.url("reference/llama-rmsnorm/packed")

    static let files = [bitnetGGUF, llamaGGUF]
    static let folders = [bitnetFolder, llamaFolder]
    static let all = files + folders

    /// Tokens that every one of them knows.
    static let tokens = [1, 77, 200, 33, 5]

    /// Whether two models compute the same bits.
    static func haveSameLogits(_ a: URL, _ b: URL) throws(BitNetError) -> Bool {
        try logits(a) == logits(b)
    }

    /// The logits of every one of `tokens`.
    static func logits(
        _ url: URL, tokens: [Int] = tokens
    ) throws(BitNetError) -> [[Float]] {
        let model = try BitNetModel(loading: url)
        // A tokenizer that cannot be used is an error only for those who need it.
        _ = try model.tokenizer
        return try InferenceContext(model.transformer, contextLength: tokens.count, cache: .f32)
            .allLogits(tokens)
    }
}

/// A GGUF file taken apart.
struct EditableGGUF {
    struct Tensor {
        var name: String
        var type: ElementType
        var shape: [Int]
        var bytes: [UInt8]
    }

    var metadata: [GGUFFile.Entry]
    var tensors: [Tensor]

    init(_ url: URL) throws {
        let file = try GGUFFile(opening: url.path)
        metadata = file.metadata
        tensors = try file.tensors.map {
            Tensor(name: $0.name, type: $0.type, shape: $0.shape, bytes: try $0.region.bytes)
        }
    }

    /// The value of a key; setting nil removes the key.
    subscript(key: String) -> GGUFValue? {
        get { metadata.first { $0.key == key }?.value }
        set {
            let place = metadata.firstIndex { $0.key == key }
            if let place { metadata.remove(at: place) }
            if let newValue { metadata.insert(.init(key, newValue), at: place ?? metadata.count) }
        }
    }

    /// The tensor called `name`, which is there.
    subscript(tensor name: String) -> Tensor {
        get { tensors.first { $0.name == name } ?? tensors[0] }
        set { tensors = tensors.map { $0.name == name ? newValue : $0 } }
    }

    var architecture: String { self["general.architecture"]?.string ?? "" }

    /// Renames the architecture, in its keys too.
    mutating func rename(to architecture: String) {
        let prefix = self.architecture + "."
        metadata = metadata.map { entry in
            guard entry.key.hasPrefix(prefix) else { return entry }
            return .init("\(architecture).\(entry.key.dropFirst(prefix.count))", entry.value)
        }
        self["general.architecture"] = .string(architecture)
    }

    func write(to folder: TemporaryFolder, _ name: String = "model.gguf") throws -> URL {
        let path = folder.file(name)
        var writer = try GGUFWriter(
            path: path, metadata: metadata,
            tensors: tensors.map { .init(name: $0.name, type: $0.type, shape: $0.shape) })
        for tensor in tensors { try writer.append(tensor.bytes, to: tensor.name) }
        try writer.finish()
        return URL(fileURLWithPath: path)
    }
}

/// A Hugging Face folder taken apart.
struct EditableFolder {
    struct Tensor {
        var name: String
        var dtype: String
        var shape: [Int]
        var bytes: [UInt8]
    }

    var config: [String: Any]
    var tensors: [Tensor]
    /// The other files.
    var files: [String: [UInt8]] = [:]

    init(_ url: URL) throws {
        let data = try Data(contentsOf: url.appendingPathComponent("config.json"))
        config = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let dtypes: [ElementType: String] = [
            .f32: "F32", .f16: "F16", .bf16: "BF16", .packedTernary: "U8",
        ]
        let weights = url.appendingPathComponent("model.safetensors")
        tensors = try SafetensorsFile(opening: weights.path).tensors.map {
            Tensor(
                name: $0.name, dtype: try #require(dtypes[$0.type]), shape: $0.shape,
                bytes: try $0.region.bytes)
        }
        for name in ["tokenizer.json", "tokenizer_config.json"] {
            files[name] = [UInt8](try Data(contentsOf: url.appendingPathComponent(name)))
        }
    }

    /// The tensor called `name`, which is there.
    subscript(tensor name: String) -> Tensor {
        get { tensors.first { $0.name == name } ?? tensors[0] }
        set { tensors = tensors.map { $0.name == name ? newValue : $0 } }
    }

    /// A setting of `quantization_config`.
    subscript(quantization key: String) -> Any? {
        get { (config["quantization_config"] as? [String: Any])?[key] }
        set {
            var settings = config["quantization_config"] as? [String: Any] ?? [:]
            settings[key] = newValue
            config["quantization_config"] = settings
        }
    }

    func write(to folder: TemporaryFolder) throws -> URL {
        for (name, bytes) in files { try folder.write(name, bytes) }
        let json = try JSONSerialization.data(withJSONObject: config)
        try folder.write("config.json", [UInt8](json))
        var header: [String: Any] = [:]
        var data: [UInt8] = []
        for tensor in tensors {
            header[tensor.name] = [
                "dtype": tensor.dtype, "shape": tensor.shape,
                "data_offsets": [data.count, data.count + tensor.bytes.count],
            ]
            data += tensor.bytes
        }
        let text = try JSONSerialization.data(withJSONObject: header)
        var raw = RawBytes()
        raw.u64(UInt64(text.count))
        try folder.write("model.safetensors", raw.bytes + text + data)
        return URL(fileURLWithPath: folder.path)
    }
}

/// Little-endian bytes of float32 values.
func floatBytes(_ values: [Float]) -> [UInt8] {
    var raw = RawBytes()
    for value in values { raw.u32(value.bitPattern) }
    return raw.bytes
}

/// Changes a fixture, writes it, and returns the error of loading and running it.
func failure(
    of url: URL, _ change: (inout EditableGGUF) throws -> Void
) throws -> BitNetError? {
    let folder = try TemporaryFolder()
    var model = try EditableGGUF(url)
    try change(&model)
    let path = try model.write(to: folder)
    return failure { () throws(BitNetError) in try TinyModel.logits(path) }
}

func failure(
    ofFolder url: URL, _ change: (inout EditableFolder) throws -> Void
) throws -> BitNetError? {
    let folder = try TemporaryFolder()
    var model = try EditableFolder(url)
    try change(&model)
    let path = try model.write(to: folder)
    return failure { () throws(BitNetError) in try TinyModel.logits(path) }
}

extension BitNetError {
    /// The tensor an error names.
    var tensor: String? {
        switch self {
        case .missingTensor(_, let name), .unexpectedTensor(_, let name),
            .shapeMismatch(let name, _, _), .corruptTensor(let name, _), .notTernary(let name, _):
            name
        default: nil
        }
    }

    /// The key of a configuration an error names.
    var key: String? {
        switch self {
        case .invalidMetadata(_, let key, _), .unsupportedFeature(_, let key, _): key
        default: nil
        }
    }

    var isShapeMismatch: Bool { if case .shapeMismatch = self { true } else { false } }
    var isCorruptTensor: Bool { if case .corruptTensor = self { true } else { false } }
    var isMissingTensor: Bool { if case .missingTensor = self { true } else { false } }
    var isUnexpectedTensor: Bool { if case .unexpectedTensor = self { true } else { false } }
    var isTokenizer: Bool { if case .tokenizer = self { true } else { false } }
    var isUnsupportedFeature: Bool { if case .unsupportedFeature = self { true } else { false } }
}

import Foundation

/// The tensors and metadata of a model, from a GGUF file or a Hugging Face folder.
///
/// Opening reads directories only, no tensor data.
package struct Checkpoint: Sendable {
    /// Where the configuration and the vocabulary come from.
    package enum Metadata: Sendable {
        /// A GGUF file; of a split model, its first part.
        case gguf(GGUFFile)
        case huggingFace(HuggingFaceFolder)
    }

    /// The file or folder.
    package let path: String
    /// The file's or folder's own view of itself.
    package let metadata: Metadata
    /// All tensors, in the order of the files.
    package let tensors: [CheckpointTensor]

    private let positions: [ExactString: Int]

    /// Opens a GGUF file (any part of a split one), a Hugging Face folder, or a safetensors file
    /// inside such a folder.
    ///
    /// Throws `fileNotFound`, `unreadable`, `malformedFile` or `unsupportedFormat`.
    package init(opening path: String) throws(BitNetError) {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw .fileNotFound(path: path)
        }
        if isFolder.boolValue {
            self.init(try HuggingFaceFolder(opening: path))
        } else if path.hasSuffix(".safetensors") {
            self.init(try Self.folder(around: path))
        } else {
            let file = try FileRegion(opening: path) { (beginning) throws(BitNetError) in
                try Self.checkKind(isGGUF: beginning.hasGGUFMagic, path: path)
                return try GGUFFile.mostBytes(of: beginning)
            }
            try Self.checkKind(isGGUF: try file.hasGGUFMagic, path: path)
            try self.init(splitFrom: try GGUFFile(file))
        }
    }

    private static func checkKind(isGGUF: Bool, path: String) throws(BitNetError) {
        guard path.hasSuffix(".gguf") || isGGUF else {
            throw .unsupportedFormat(
                path: path, detail: "neither a GGUF nor a safetensors file",
                remedy: "open a .gguf file or a Hugging Face model folder")
        }
    }

    /// A checkpoint that is one GGUF file.
    package init(_ file: GGUFFile) {
        self.init(path: file.path, metadata: .gguf(file), tensors: file.tensors)
    }

    /// A checkpoint that is a Hugging Face folder.
    package init(_ folder: HuggingFaceFolder) {
        self.init(
            path: folder.path, metadata: .huggingFace(folder), tensors: folder.orderedTensors)
    }

    private init(path: String, metadata: Metadata, tensors: [CheckpointTensor]) {
        self.path = path
        self.metadata = metadata
        self.tensors = tensors
        var positions: [ExactString: Int] = [:]
        for (position, tensor) in tensors.enumerated() {
            positions[ExactString(tensor.name)] = position
        }
        self.positions = positions
    }

    /// Runs `body`, which reads tensors.
    ///
    /// Throws `unreadable` where a file was changed since it was opened: what was read may be of two
    /// versions, and an error of `body` is likely to come from that.
    package func reading<Result>(
        _ body: () throws(BitNetError) -> Result
    ) throws(BitNetError) -> Result {
        do throws(BitNetError) {
            let result = try body()
            try checkUnchanged()
            return result
        } catch .cancelled {
            throw .cancelled
        } catch {
            try checkUnchanged()
            throw error
        }
    }

    /// Throws `unreadable` where a file with tensors was changed since it was opened.
    package func checkUnchanged() throws(BitNetError) {
        var checked: Set<ObjectIdentifier> = []
        for file in tensors.compactMap(\.region.file)
        where checked.insert(ObjectIdentifier(file)).inserted {
            try file.checkUnchanged()
        }
    }

    /// The names of all tensors, in the order of the files.
    package var tensorNames: [String] { tensors.map { $0.name } }

    /// The tensor called `name`, if there is one.
    package func tensor(named name: String) -> CheckpointTensor? {
        positions[ExactString(name)].map { tensors[$0] }
    }

    /// The tensor called `name`; `missingTensor` where there is none.
    package func requiredTensor(named name: String) throws(BitNetError) -> CheckpointTensor {
        guard let tensor = tensor(named: name) else {
            throw .missingTensor(path: path, tensor: name)
        }
        return tensor
    }

    /// The names of the tensors that are not in `taken`, in the order of the files.
    ///
    /// A loader that ignored one would compute another function than the file describes.
    package func unused(after taken: Set<String>) -> [String] {
        let taken = Set(taken.map(ExactString.init))
        return tensorNames.filter { !taken.contains(ExactString($0)) }
    }

    /// A safetensors file alone has no configuration; its folder has.
    private static func folder(around path: String) throws(BitNetError) -> HuggingFaceFolder {
        let url = URL(fileURLWithPath: path)
        let folder = url.deletingLastPathComponent().path
        let name = url.lastPathComponent
        guard FileManager.default.fileExists(atPath: folder + "/config.json") else {
            throw .unsupportedFormat(
                path: path, detail: "tensors alone, with no config.json beside them",
                remedy: "download the whole model repository into one folder")
        }
        let isShard = name.range(of: "-[0-9]{5}-of-[0-9]{5}", options: .regularExpression) != nil
        return try HuggingFaceFolder(opening: folder, weights: isShard ? nil : name)
    }
}

// Split GGUF: `name-00001-of-00003.gguf`; the first part has the metadata, all have tensors.
extension Checkpoint {
    /// The checkpoint that `file` is, or is a part of.
    private init(splitFrom file: GGUFFile) throws(BitNetError) {
        let count = try file.int("split.count") ?? 1
        guard count > 1 else {
            self.init(file)
            return
        }
        guard let name = SplitName(file.path), name.count == count else {
            throw .unsupportedFormat(
                path: file.path, detail: "one of \(count) parts, but not named as such",
                remedy:
                    "name the parts NAME-00001-of-\(SplitName.padded(count)).gguf and so on, or "
                    + "join them with llama-gguf-split --merge")
        }
        var first: GGUFFile?
        var tensors: [CheckpointTensor] = []
        var names: Set<ExactString> = []
        for number in 1...count {
            let part = try GGUFFile(opening: name.path(of: number))
            guard try part.int("split.count") == count, try part.int("split.no") == number - 1
            else {
                throw .malformedFile(
                    path: part.path, detail: "not part \(number) of \(count), as its name says")
            }
            for tensor in part.tensors where !names.insert(ExactString(tensor.name)).inserted {
                throw .malformedFile(
                    path: part.path,
                    detail: "tensor \(tensor.name.quoted) is in an earlier part "
                        + "too")
            }
            tensors += part.tensors
            first = first ?? part
        }
        guard let first else { throw .fileNotFound(path: file.path) }
        if let total = try first.int("split.tensors.count"), total != tensors.count {
            throw .malformedFile(
                path: first.path,
                detail: "\(total) tensors announced, the parts have \(tensors.count)")
        }
        self.init(path: first.path, metadata: .gguf(first), tensors: tensors)
    }

    /// The parts of a split file's name.
    private struct SplitName {
        var prefix: String
        var count: Int

        init?(_ path: String) {
            let suffix = ".gguf"
            guard path.hasSuffix(suffix) else { return nil }
            let words = path.dropLast(suffix.count).split(
                separator: "-", omittingEmptySubsequences: false)
            guard words.count > 3, words[words.count - 2] == "of",
                let number = Self.number(words[words.count - 3]),
                let count = Self.number(words[words.count - 1]), (1...count).contains(number)
            else { return nil }
            prefix = words.dropLast(3).joined(separator: "-")
            self.count = count
        }

        func path(of number: Int) -> String {
            "\(prefix)-\(Self.padded(number))-of-\(Self.padded(count)).gguf"
        }

        static func padded(_ number: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
        }

        private static func number(_ word: Substring) -> Int? {
            guard word.count == 5, let number = Int(word), number > 0 else { return nil }
            return number
        }
    }
}

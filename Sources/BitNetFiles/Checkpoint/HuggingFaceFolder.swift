import Foundation

/// An opened Hugging Face model folder: what `config.json` says, and the tensors of one or more
/// safetensors files.
package struct HuggingFaceFolder: Sendable {
    /// The folder's files, by name.
    package let files: ModelFolder
    /// `config.json`.
    package let config: JSONValue
    /// The names of the safetensors files, in the order they were read.
    package let weightFiles: [String]
    /// All tensors, in the order of the files.
    let orderedTensors: [CheckpointTensor]

    /// The folder.
    package var path: String { files.path }

    /// Opens a folder; weights come from `model.safetensors`, else from the files that
    /// `model.safetensors.index.json` names, unless `weights` names a file in the folder.
    ///
    /// Throws `fileNotFound`, `unsupportedFormat` where there is no configuration or no safetensors
    /// file (with what to do about it), `malformedFile` for missing shards and duplicate tensors.
    package init(opening path: String, weights: String? = nil) throws(BitNetError) {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw .fileNotFound(path: path)
        }
        guard isFolder.boolValue else {
            throw .unreadable(path: path, reason: "it is a file, not a folder")
        }
        let folder = ModelFolder(path: path)
        guard let config = try folder.json("config.json") else {
            throw .unsupportedFormat(
                path: path, detail: "the folder has no config.json", remedy: folder.remedy)
        }
        files = folder
        self.config = config
        let named = try folder.weightFiles(named: weights)
        weightFiles = named.names
        orderedTensors = try folder.tensors(of: named.names)
        var tensors: [ExactString: CheckpointTensor] = [:]
        for tensor in orderedTensors { tensors[ExactString(tensor.name)] = tensor }
        try folder.check(named.index, against: tensors)
    }
}

// MARK: - Weights

extension ModelFolder {
    /// What to do about a folder that lacks something, going by what else lies in it.
    fileprivate var remedy: String {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        if let name = names.sorted().first(where: { $0.hasSuffix(".gguf") }) {
            return "open the file \(name) in it instead"
        }
        let pickled = [".bin", ".pt", ".pth"]
        if names.contains(where: { name in pickled.contains { name.hasSuffix($0) } }) {
            return "PyTorch files are not read: convert them to safetensors"
        }
        return "download the whole model repository into it"
    }

    /// The safetensors files, and the index's map from tensor to file if the files come from there.
    fileprivate func weightFiles(
        named weights: String?
    ) throws(BitNetError) -> (names: [String], index: JSONObject?) {
        if let weights { return ([weights], nil) }
        let single = "model.safetensors"
        if exists(single) { return ([single], nil) }
        let indexName = "model.safetensors.index.json"
        guard let index = try json(indexName) else {
            throw .unsupportedFormat(
                path: path, detail: "the folder has neither \(single) nor \(indexName)",
                remedy: remedy)
        }
        guard let map = index["weight_map"]?.object else {
            throw .malformedFile(path: join(indexName), detail: "there is no weight_map")
        }
        var names: Set<String> = []
        for member in map.members {
            guard let name = member.value.string, !name.isEmpty, !name.contains("/"),
                !name.contains("\\")
            else {
                throw .malformedFile(
                    path: join(indexName),
                    detail: "tensor \(member.key.quoted) is not mapped to a file in the folder")
            }
            names.insert(name)
        }
        for name in names.sorted() where !exists(name) {
            throw .malformedFile(
                path: path, detail: "\(name) is missing (\(indexName) names it): download it too")
        }
        return (names.sorted(), map)
    }

    fileprivate func tensors(of files: [String]) throws(BitNetError) -> [CheckpointTensor] {
        var tensors: [CheckpointTensor] = []
        var origins: [ExactString: String] = [:]
        for name in files {
            let file = try SafetensorsFile(opening: join(name))
            for tensor in file.tensors {
                if let other = origins.updateValue(name, forKey: ExactString(tensor.name)) {
                    throw .malformedFile(
                        path: path,
                        detail: "tensor \(tensor.name.quoted) is both in \(other) and in \(name); "
                            + "remove the files that are not part of the model")
                }
            }
            tensors += file.tensors
        }
        return tensors
    }

    /// Every tensor of the index must be in the file it is mapped to.
    fileprivate func check(
        _ index: JSONObject?, against tensors: [ExactString: CheckpointTensor]
    ) throws(BitNetError) {
        guard let index else { return }
        for member in index.members {
            guard let file = member.value.string else { continue }
            guard let tensor = tensors[ExactString(member.key)] else {
                throw .missingTensor(path: join(file), tensor: member.key)
            }
            guard tensor.region.path == join(file) else {
                throw .malformedFile(
                    path: path,
                    detail: "tensor \(member.key.quoted) should be in \(file), but is in another "
                        + "file; "
                        + "the files are of different versions")
            }
        }
    }
}

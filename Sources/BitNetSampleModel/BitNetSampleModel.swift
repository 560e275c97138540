public import BitNetKit
public import Foundation

/// The sample model: a small trained ternary model that is part of the package.
///
/// It has 5.2 million weights, speaks simple English and tells short stories; `MODEL.md` beside the
/// file is its model card. `BitNetModel.sample()` loads it.
public enum BitNetSampleModel {
    /// The GGUF file of the sample model.
    ///
    /// - Throws: `BitNetError.unreadable` where the resource bundle did not travel with the program.
    public static var url: URL {
        get throws(BitNetError) { try resource("stories.gguf", in: folders) }
    }

    /// The model card: how the model was made, what it can do, and the licence of its data.
    ///
    /// - Throws: `BitNetError.unreadable` where the resource bundle did not travel with the program.
    public static var modelCardURL: URL {
        get throws(BitNetError) { try resource("MODEL.md", in: folders) }
    }

    /// Folders that may hold the resource bundle.
    ///
    /// The accessor `Bundle.module`, which SwiftPM generates, ends the process when there is no
    /// bundle: a library must not.
    private static var folders: [URL] {
        var bundles = [Bundle.main]
        #if canImport(Darwin)
            bundles.append(Bundle(for: BundleFinder.self))
        #endif
        return bundles.flatMap { bundle in
            let folder = bundle.bundleURL
            // An app keeps its resources in a folder of their own; a test bundle lies beside them.
            return [bundle.resourceURL ?? folder, folder, folder.deletingLastPathComponent()]
        }
    }

    /// The resource called `name` in the first of `folders` that has the bundle.
    static func resource(_ name: String, in folders: [URL]) throws(BitNetError) -> URL {
        for folder in folders {
            for type in ["resources", "bundle"] {
                let url = folder.appendingPathComponent("BitNetKit_BitNetSampleModel.\(type)")
                if let file = Bundle(url: url)?.url(forResource: name, withExtension: nil) {
                    return file
                }
            }
        }
        var places: [String] = []
        for folder in folders where !places.contains(folder.path) { places.append(folder.path) }
        throw .unreadable(
            path: "the sample model's \(name)",
            reason: "BitNetKit_BitNetSampleModel.resources with this file in it was looked for in "
                + "\(places.joined(separator: ", ")); copy that folder there from where the program "
                + "was built")
    }
}

#if canImport(Darwin)
    /// Stands for the image this module is in.
    private final class BundleFinder {}
#endif

extension BitNetModel {
    /// Loads the sample model, which is part of the package: nothing is downloaded.
    ///
    /// ```swift
    /// import BitNetKit
    /// import BitNetSampleModel
    ///
    /// let model = try await BitNetModel.sample()
    /// print(try await model.generate("Once upon a time").text)
    /// ```
    ///
    /// - Parameters:
    ///   - options: threads and kernels to compute with.
    ///   - progress: called on another thread while matrices are packed.
    /// - Throws: `BitNetError.unreadable` where the resource bundle did not travel with the program,
    ///   and what `load(_:options:progress:)` throws.
    public static func sample(
        options: LoadOptions = LoadOptions(),
        progress: (@Sendable (LoadProgress) -> Void)? = nil
    ) async throws(BitNetError) -> BitNetModel {
        try await load(BitNetSampleModel.url, options: options, progress: progress)
    }
}

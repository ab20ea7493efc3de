// Labels recordings on several threads, each with a handle of its own on the same weights.
//
//     c++ -std=c++17 threads.cpp -o threads $(pkg-config --cflags --libs wavlm) -pthread
//     ./threads MODEL call.wav meeting.mp3 ...
#include <wlm.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Close {
    void operator()(wlm_model *model) const { wlm_model_close(model); }
    void operator()(wlm_audio *audio) const { wlm_audio_free(audio); }
    void operator()(wlm_result *result) const { wlm_result_free(result); }
};
using Model = std::unique_ptr<wlm_model, Close>;
using Audio = std::unique_ptr<wlm_audio, Close>;
using Result = std::unique_ptr<wlm_result, Close>;

// What a function hands out; throws what it reports.
template <class Handle, class Function, class... Arguments>
std::unique_ptr<Handle, Close> make(Function function, Arguments... arguments)
{
    Handle *handle = nullptr;
    wlm_error err{};
    if (function(arguments..., &handle, &err)) throw std::runtime_error(err.message);
    return std::unique_ptr<Handle, Close>(handle);
}

std::string label(wlm_model *model, const char *path)
{
    Audio audio = make<wlm_audio>(wlm_audio_read, path);
    wlm_audio_mix(audio.get());
    wlm_input input{};
    input.samples = wlm_audio_samples(audio.get(), 0);
    input.count = wlm_audio_count(audio.get());
    Result result = make<wlm_result>(wlm_run, model, std::size_t{1}, &input, 0u);
    const char *name = wlm_model_label(model, wlm_result_best(result.get(), 0));
    return name ? name : "no head";
}

}  // namespace

int main(int argc, char **argv)
{
    if (argc < 3) {
        std::fprintf(stderr, "usage: threads MODEL FILE...\n");
        return 2;
    }
    try {
        wlm_options one{};
        one.threads = 1;
        Model model = make<wlm_model>(wlm_model_open, argv[1], &one);
        std::vector<std::string> labels(argc - 2);
        std::vector<std::thread> threads;
        std::atomic<std::size_t> next{0};
        for (unsigned t = 0; t < 4; t++) {
            threads.emplace_back([&labels, &next, argv, own = make<wlm_model>(wlm_model_share, model.get(), &one)] {
                for (std::size_t i; (i = next++) < labels.size();) {
                    try {
                        labels[i] = label(own.get(), argv[2 + i]);
                    } catch (const std::exception &failure) {
                        labels[i] = std::string("failed: ") + failure.what();
                    }
                }
            });
        }
        for (std::thread &thread : threads) thread.join();
        for (std::size_t i = 0; i < labels.size(); i++) std::printf("%s: %s\n", argv[2 + i], labels[i].c_str());
    } catch (const std::exception &failure) {
        std::fprintf(stderr, "%s\n", failure.what());
        return 1;
    }
    return 0;
}

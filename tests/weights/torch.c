/* torch archives: goldens in three containers, every form of archive, foreign and hostile files. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/files.h"
#include "tests/support/support.h"
#include "weights/names.h"

static void open_golden(const char *folder, const char *file, wts_checkpoint *c, wts_name_map *map, wts_layout layout)
{
    eng_error err = {0};
    cr_assert_eq(wts_checkpoint_open(support_path("golden/%s/%s", folder, file), c, &err), ENG_OK, "%s", err.message);
    cr_assert_eq(wts_layout_detect(c, NULL), layout, "%s/%s", folder, file);
    cr_assert_eq(wts_name_map_init(map, c, layout, &err), ENG_OK, "%s", err.message);
}

/* The three containers hold the same tensors, bit for bit. */
Test(torch, golden_containers_agree)
{
    static const char *const folders[] = {"base", "large"};
    static const char *const others[] = {"pytorch_model.bin", "wavlm_original.pt"};
    size_t compared = 0;
    for (int f = 0; f < 2; f++)
        for (int o = 0; o < 2; o++) {
            wts_checkpoint a, b;
            wts_name_map names_a, names_b;
            open_golden(folders[f], "model.safetensors", &a, &names_a, WTS_LAYOUT_BACKBONE);
            open_golden(folders[f], others[o], &b, &names_b, o ? WTS_LAYOUT_MICROSOFT : WTS_LAYOUT_BACKBONE);
            cr_assert_eq(b.container, WTS_TORCH_ZIP);
            cr_assert_eq(a.count, b.count);
            for (size_t i = 0; i < a.count; i++) {
                const wts_tensor *x = &a.tensors[i], *y = wts_name_map_find(&names_b, names_a.names[i]);
                cr_assert_not_null(y, "%s is not in %s", names_a.names[i], others[o]);
                cr_assert_eq(y->dtype, WTS_F32);
                cr_assert(x->ndim == y->ndim && memcmp(x->shape, y->shape, sizeof x->shape) == 0, "%s", x->name);
                cr_assert(x->bytes == y->bytes && memcmp(x->data, y->data, x->bytes) == 0, "%s", x->name);
                compared++;
            }
            wts_name_map_fini(&names_a);
            wts_name_map_fini(&names_b);
            wts_checkpoint_close(&a);
            wts_checkpoint_close(&b);
        }
    cr_assert_eq(compared, 2 * (77 + 89));
}

Test(torch, microsoft_configuration)
{
    wts_checkpoint c;
    wts_name_map map;
    open_golden("large", "wavlm_original.pt", &c, &map, WTS_LAYOUT_MICROSOFT);
    const wts_value *cfg = wts_value_get(c.extra, "cfg");
    cr_assert_str_eq(wts_value_get(cfg, "extractor_mode")->text, "layer_norm");
    cr_assert_eq(wts_value_get(cfg, "encoder_layers")->integer, 3);
    cr_assert(wts_value_get(cfg, "normalize")->boolean);
    cr_assert_eq(wts_value_get(cfg, "conv_bias")->kind, WTS_BOOL);
    cr_assert(wts_value_get(cfg, "dropout")->kind == WTS_FLOAT && wts_value_get(cfg, "dropout")->number == 0.0);
    cr_assert_eq(wts_value_get(cfg, "conv_feature_layers")->kind, WTS_STRING);
    cr_assert_null(wts_value_get(c.extra, "model"));
    wts_name_map_fini(&map);
    wts_checkpoint_close(&c);
}

/* ---- Archives ---- */

static bytes small_pickle(void)
{
    bytes p = {0};
    bytes_text(&p, "\x80\x02}(");
    pickle_text(&p, "t");
    pickle_tensor(&p, "FloatStorage", "0", 1, 0, 1, (int64_t[]){1}, (int64_t[]){1});
    bytes_text(&p, "u.");
    return p;
}

Test(torch, archive_forms)
{
    kern_table k = support_portable();
    bytes p = small_pickle();
    for (size_t comment = 0; comment <= 65535; comment = comment * 5 + 13)
        for (int zip64 = 0; zip64 < 2; zip64++) {
            zip_builder z = {0};
            zip_add(&z, "any name/data.pkl", p.data, p.size);
            zip_add(&z, "any name/byteorder", "little", 6);
            zip_add(&z, "any name/data/0", "abcd", 4);
            bytes file = zip_finish(&z, zip64, comment);
            eng_error err = {0};
            cr_assert_eq(file_check(file.data, file.size, &k, &err), ENG_OK, "%s", err.message);
            bytes_free(&file);
        }
    bytes_free(&p);
}

static void refuse_zip(zip_builder *z, const char *message)
{
    kern_table k = support_portable();
    bytes file = zip_finish(z, false, 0);
    eng_error err = {0};
    cr_assert_neq(file_check(file.data, file.size, &k, &err), ENG_OK, "accepted, instead of: %s", message);
    cr_assert(strstr(err.message, message), "\"%s\", not \"%s\"", err.message, message);
    bytes_free(&file);
}

Test(torch, archives_refused)
{
    bytes p = small_pickle();
    zip_builder z = {0};
    zip_add(&z, "a/data.pkl", p.data, p.size);
    zip_add(&z, "a/byteorder", "big", 3);
    refuse_zip(&z, "big-endian");
    z = (zip_builder){.method = 8};
    zip_add(&z, "a/data.pkl", p.data, p.size);
    refuse_zip(&z, "compressed");
    z = (zip_builder){0};
    zip_add(&z, "a/data.pkl", p.data, p.size);
    z.method = 8;
    zip_add(&z, "a/data/0", "abcd", 4);
    refuse_zip(&z, "compressed");
    z = (zip_builder){0};
    zip_add(&z, "a/data.pkl", p.data, p.size);
    zip_add(&z, "a/constants.pkl", "", 0);
    refuse_zip(&z, "TorchScript");
    z = (zip_builder){0};
    zip_add(&z, "a/data.pkl", p.data, p.size);
    zip_add(&z, "b/data.pkl", p.data, p.size);
    refuse_zip(&z, "more than one");
    z = (zip_builder){0};
    zip_add(&z, "word/document.xml", "", 0);
    refuse_zip(&z, "no data.pkl");
    z = (zip_builder){0};
    zip_add(&z, "a/data.pkl", p.data, p.size);
    zip_add(&z, "a/data.pkl", p.data, p.size);
    refuse_zip(&z, "occurs twice");
    bytes_free(&p);
}

Test(torch, foreign_files)
{
    char tar[512] = {0};
    memcpy(tar + 257, "ustar", 5);
    const struct {
        const char *data;
        size_t size;
        const char *message;
    } rows[] = {
        {"", 0, "empty"},
        {"version https://git-lfs.github.com/spec/v1\noid", 46, "git lfs pull"},
        {"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15, "legacy"},
        {"\x80\x04}.", 4, "bare pickle"},
        {tar, sizeof tar, "tar"},
        {"\x1f\x8b\x08\x00", 4, "gzip"},
        {"\n <!DOCTYPE html><html>", 23, "HTML"},
        {"<html>", 6, "HTML"},
        {"GGUF\3\0\0\0", 8, "GGUF"},
        {"\x89HDF\r\n\x1a\n", 8, "HDF5"},
        {"\x08\x07\x12\x07pytorch", 11, "ONNX"},
        {"RIFF\0\0\0\0WAVE", 12, "audio"},
        {"PK\5\6", 4, "empty zip"},
        {"PK\3\4", 4, "damaged zip"},
        {"hello", 5, "68 65 6c 6c 6f"},
        {"{\"a\": 1}", 8, "neither"},
        {"\x80", 1, "neither"},
    };
    kern_table k = support_portable();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        eng_error err = {0};
        cr_assert_neq(file_check(rows[i].data, rows[i].size, &k, &err), ENG_OK);
        cr_assert(strstr(err.message, rows[i].message), "\"%s\", not \"%s\"", err.message, rows[i].message);
    }
    wts_checkpoint c;
    eng_error err = {0};
    cr_assert_eq(wts_checkpoint_open(support_path("golden/large/config.json"), &c, &err), ENG_E_FORMAT);
    cr_assert(strstr(err.message, "weight_map") && strstr(err.message, "config.json"), "%s", err.message);
    cr_assert_eq(wts_checkpoint_open(support_path("golden"), &c, &err), ENG_E_IO);
    cr_assert(strstr(err.message, "folder"), "%s", err.message);
    cr_assert_eq(wts_checkpoint_open("/nonexistent.pt", &c, &err), ENG_E_MISSING);
}

Test(torch, damaged)
{
    static const char *const files[] = {"pytorch_model.bin", "wavlm_original.pt"};
    kern_table k = support_portable();
    for (int i = 0; i < 2; i++) {
        bytes b = bytes_read(support_path("golden/base/%s", files[i]));
        damage d = file_damage(&b, i ? 14000 : 9100, 12000, 50, 2000, &k);
        printf("%zu of %zu damaged files were still readable\n", d.accepted, d.cases);
        cr_assert(d.cases > 2000 && d.accepted < d.cases);
        bytes_free(&b);
    }
}

/* What a checkpoint is: its layout, its configuration, whether its weights are packed. */
#include <string.h>

#include "model/checkpoint/load.h"
#include "model/config/config.h"

wts_layout mdl_layout_named(const wts_value *root)
{
    const wts_value *type = wts_value_get(root, "model_type"), *classes = wts_value_get(root, "architectures");
    if (type && type->kind == WTS_STRING && strcmp(type->text, "ser") == 0) return WTS_LAYOUT_ODYSSEY;
    if (!classes || classes->kind != WTS_LIST || classes->count == 0 || classes->items[0].kind != WTS_STRING)
        return WTS_LAYOUT_BACKBONE;
    const char *name = classes->items[0].text;
    if (strcmp(name, "WavLMForSpeechEmotion") == 0) return WTS_LAYOUT_EMOTION;
    if (strcmp(name, "WavLMForSequenceClassification") == 0) return WTS_LAYOUT_SEQUENCE_CLASSIFICATION;
    return WTS_LAYOUT_BACKBONE;
}

/* Says what is wrong when the checkpoint is of no known layout, or has no configuration. */
static eng_status check_layout(const mdl_model *m, const wts_checkpoint *file, const wts_value *root, eng_error *err)
{
    const char *hint = wts_layout_hint(file);
    if (m->layout == WTS_LAYOUT_UNKNOWN)
        return eng_fail(err, ENG_E_UNSUPPORTED,
                        "%s: not a checkpoint that this program knows%s%s; expected WavLM from Hugging Face or "
                        "Microsoft, WavLMForSequenceClassification, an Odyssey baseline or WavLMForSpeechEmotion",
                        file->path, hint ? ": it looks like " : "", hint ? hint : "");
    if (!root && m->layout == WTS_LAYOUT_MICROSOFT)
        return eng_fail(err, ENG_E_MISSING,
                        "%s: no \"cfg\" beside its tensors (taken for: %s, which carries its configuration there)",
                        file->path, wts_layout_name(m->layout));
    if (!root)
        return eng_fail(err, ENG_E_MISSING, "%s: no config.json beside it (taken for: %s, which needs one)", file->path,
                        wts_layout_name(m->layout));
    return ENG_OK;
}

/* WavLMForCTC and its like: a backbone under a head of another purpose. */
static bool has_other_head(const wts_checkpoint *file)
{
    return wts_checkpoint_find(file, "wavlm.encoder.layers.0.attention.gru_rel_pos_linear.weight") != NULL;
}

/* Whether the weights are packed already, on which config.json and checkpoint must agree. */
static eng_status check_panels(mdl_model *m, const wts_checkpoint *file, eng_error *err)
{
    mdl_config *c = &m->config;
    eng_status status = file ? wts_panels_read(file, &m->panels, err) : ENG_OK;
    if (status) return status;
    if (!file) c->weight_precision = NULL; /* the parameters are drawn */
    const char *said = c->weight_precision, *is = m->panels.present ? eng_precision_name(m->panels.precision) : NULL;
    if (said == is) return ENG_OK; /* both are eng_precision_name's, or NULL */
    return eng_fail(err, ENG_E_MISMATCH, "%s: the weights %s%s, but config.json's weight_precision %s%s", file->path,
                    is ? "were converted to " : "are no converted panels", is ? is : "", said ? "is " : "is not there",
                    said ? said : "");
}

eng_status mdl_load_config(mdl_model *m, const wts_folder *folder, const wts_checkpoint *file, bool backbone_only,
                           eng_error *err)
{
    wts_doc *config = NULL, *preprocessor = NULL;
    const char *name = folder->config;
    eng_status status = ENG_OK;
    if (folder->config) status = wts_json_read(folder->config, &config, err);
    if (!status && folder->preprocessor) status = wts_json_read(folder->preprocessor, &preprocessor, err);
    const wts_value *root = config ? wts_doc_root(config) : NULL;
    if (!status) {
        m->layout = file ? wts_layout_detect(file, root) : mdl_layout_named(root);
        if (m->layout == WTS_LAYOUT_UNKNOWN && backbone_only && has_other_head(file)) m->layout = WTS_LAYOUT_BACKBONE;
        if (m->layout == WTS_LAYOUT_MICROSOFT) {
            root = wts_value_get(file->extra, "cfg");
            name = file->path;
        }
        if (file) status = check_layout(m, file, root, err);
    }
    if (!status)
        status = mdl_config_read(m->layout, root, preprocessor ? wts_doc_root(preprocessor) : NULL, name, &m->config,
                                 err);
    if (m->layout == WTS_LAYOUT_MICROSOFT) wts_doc_free(config);
    else m->config.source = config;
    wts_doc_free(preprocessor);
    return status ? status : check_panels(m, file, err);
}

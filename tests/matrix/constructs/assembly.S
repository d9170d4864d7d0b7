# Two functions and a table in one section each; one has a second entry, one calls C.
#ifdef __PIC__
#define PLT(name) name@PLT
#else
#define PLT(name) name
#endif
	.text
	.globl assembly_add
	.hidden assembly_add
	.type assembly_add, @function
assembly_add:
	.cfi_startproc
	lea (%rdi,%rsi), %eax
	ret
	.cfi_endproc
	.size assembly_add, . - assembly_add

	.globl assembly_second_entry
	.hidden assembly_second_entry
	.type assembly_second_entry, @function
assembly_second_entry:
	.cfi_startproc
	cmp $4, %edi
	jg .Llarge
	lea 50(%rdi), %eax
	ret
.Llarge:
	lea 50(%rdi), %eax
	ret
	.cfi_endproc
	.size assembly_second_entry, . - assembly_second_entry

	.globl assembly_calls
	.hidden assembly_calls
	.type assembly_calls, @function
assembly_calls:
	.cfi_startproc
	sub $8, %rsp
	.cfi_adjust_cfa_offset 8
	call PLT(called_by_assembly)
	inc %eax
	add $8, %rsp
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size assembly_calls, . - assembly_calls

	.section .rodata
	.balign 4
	.globl assembly_table
	.hidden assembly_table
	.type assembly_table, @object
	.size assembly_table, 16
assembly_table:
	.long 10, 20, 30, 40
	.section .note.GNU-stack,"",@progbits
